//! The archive of everything that a flow reads and makes.

use std::{collections::HashSet, sync::Arc};

use madang_proto::pipeline::v1::FlowArtifact;
use serde_json::Value;

use super::{
    Making, Running, Work,
    make::{About, failed},
};
use crate::flow::{
    descriptor,
    fetch::{self, Fetched, Missed},
    make::{python, zip::Zip},
    same,
};

/// A file of the archive.
enum Member {
    Fetched(Arc<std::result::Result<Fetched, Missed>>),
    Made(String),
}

impl Running<'_> {
    /// The archive of everything.
    pub(super) async fn zip(&mut self, artifact: &FlowArtifact) -> Making {
        let claim = self.claim;
        let request = &claim.request;
        let mut resources = Vec::new();
        let mut members: Vec<(String, Member)> = Vec::new();
        let mut sums = Vec::new();
        let mut seen = HashSet::new();
        for source in request.sources.iter().filter(|source| seen.insert(source.path.clone())) {
            let fetched = self.fetch(source).await?;
            match &*fetched {
                Ok(there) => sums.push((source.path.clone(), there.made.md5.clone())),
                Err(Missed { error, .. }) => return Ok(Err(failed("load_resource", &error.message))),
            }
            members.push((source.path.clone(), Member::Fetched(fetched)));
        }
        for other in
            request.artifacts.iter().filter(|other| artifact.depends_on.iter().any(|id| id.trim_start_matches("./") == other.pipeline_id))
        {
            let Some(made) = self.made.get(&other.pipeline_id).filter(|made| !made.key.is_empty()) else { continue };
            let path = format!("data/{}", made.key.rsplit('/').next().unwrap_or_default());
            if let Some(mut resource) = made.resource.clone() {
                resource["path"] = path.clone().into();
                resources.push(resource);
            }
            sums.push((path.clone(), made.md5.clone()));
            members.push((path, Member::Made(made.key.clone())));
        }
        let mut package = descriptor::package(request);
        let readme = package.shift_remove("readme");
        package.insert("resources".to_owned(), resources.into());
        let text = python::indented(&Value::Object(package));
        let same_as = same::of_files(artifact, &sums, &text);
        if let Some(work) = self.same(&same_as).await? {
            return Ok(Ok(work));
        }
        let mut zip = Zip::new(&self.scratch)?;
        zip.bytes("datapackage.json", &text).await?;
        if let Some(readme) = readme.as_ref().and_then(Value::as_str) {
            zip.bytes("README.md", readme.as_bytes()).await?;
        }
        for (path, member) in &members {
            match member {
                Member::Fetched(fetched) => {
                    if let Ok(there) = &**fetched {
                        zip.file(path, &there.made.path).await?;
                    }
                }
                Member::Made(key) => {
                    if !self.local.contains_key(key) {
                        let local = fetch::local(self.flows, key, &self.scratch).await?;
                        self.local.insert(key.clone(), local);
                    }
                    if let Some(local) = self.local.get(key) {
                        zip.file(path, local).await?;
                    }
                }
            }
        }
        let name = descriptor::name(&request.flow_id, &artifact.pipeline_id);
        let about = About { folder: "data", file: format!("{name}.zip"), content_type: "application/zip", rows: None, schema: None };
        let log = vec![format!("{} files packed", members.len())];
        let work = self.keep(artifact, None, zip.finish()?, about).await?;
        Ok(Ok(Work { same_as: Some(same_as), log, ..work }))
    }
}
