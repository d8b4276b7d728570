//! What comes out the same again (spec-store.md 6, "Skip work"): an artifact is named by what it is made of; if one of its dataset with that
//! name is kept, it is taken.

use aws_lc_rs::digest::{Context as Hasher, SHA256};
use madang_kit::hex;
use madang_proto::pipeline::v1::{FlowArtifact, FlowSource};

/// Another one when the same sources would give other files.
const WRITER: &str = "2";

/// The name of an artifact that is made of sources with these sums.
pub(super) fn of_sources(artifact: &FlowArtifact, sources: &[(&FlowSource, &str)], rows: u64) -> String {
    let mut parts =
        vec![WRITER.to_owned(), artifact.kind.to_string(), artifact.pipeline_id.rsplit('/').next().unwrap_or_default().to_owned()];
    parts.push(rows.to_string());
    for (source, sha256) in sources {
        parts.extend([&source.name, *sha256, &source.format, &source.path, &source.resource, &source.schema].map(str::to_owned));
        parts.extend([&source.tabulator, &source.steps].map(|text| text.as_str().to_owned()));
    }
    named(&parts)
}

/// The name of an artifact that is made of files with these names and sums.
pub(super) fn of_files(artifact: &FlowArtifact, files: &[(String, String)], descriptor: &[u8]) -> String {
    let mut parts = vec![WRITER.to_owned(), artifact.kind.to_string(), artifact.file_name.clone()];
    parts.extend(files.iter().flat_map(|(name, sum)| [name.clone(), sum.clone()]));
    parts.push(hex(descriptor));
    named(&parts)
}

fn named(parts: &[String]) -> String {
    let mut hasher = Hasher::new(&SHA256);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hex(hasher.finish().as_ref())
}
