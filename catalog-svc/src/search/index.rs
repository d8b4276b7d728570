//! The index on the disk: a folder of its own below `search/`, named by the file `current`. Each commit says how far it has followed
//! the log, so that it is never behind or ahead of what it holds.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use madang_kit::Id;
use serde::{Deserialize, Serialize};
use tantivy::{Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, TantivyDocument, TantivyError, merge_policy::LogMergePolicy};

use super::{
    fields::{FORMAT, Fields},
    folder::{Folder, write_whole},
};

/// Memory of the documents of one commit, in bytes; a part of it is cleared at each, so it is the least that there can be.
const WRITER_BYTES: usize = 15 << 20;
/// Blocks of stored dictionaries that are kept unpacked.
const STORE_BLOCKS: usize = 1_024;
/// So many segments of about the same size become one; those below the smallest size count as the same.
const SEGMENTS_MERGED: usize = 4;
const SMALLEST_SEGMENT: u32 = 64;
/// How far sizes are about the same, as a power of two.
const SIZES_ALIKE: f64 = 2.0;
/// A segment of which so much is replaced is written anew.
const REPLACED_SHARE: f32 = 0.3;
/// Stored dictionaries are packed in blocks of so many bytes: a page reads them one by one.
const BLOCK_BYTES: usize = 8_192;
/// The name of the file that names the folder.
const CURRENT: &str = "current";

/// How far an index has followed the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// Everything before this place is in it.
    pub(super) place: i64,
    format: u32,
    /// What the documents depend on beside the database.
    site: String,
}

/// An open index.
pub(super) struct Disk {
    pub(super) fields: Fields,
    pub(super) reader: IndexReader,
    pub(super) checkpoint: Checkpoint,
    writer: IndexWriter,
    folder: PathBuf,
}

/// A change of an index: the documents that some datasets have from now on.
pub(super) struct Batch {
    /// Every dataset concerned; one without a document is not found any more.
    pub(super) ids: Vec<String>,
    pub(super) documents: Vec<TantivyDocument>,
    /// How far it follows the log.
    pub(super) place: i64,
}

impl Disk {
    /// The index that served last, if it is whole and of this kind; else an empty one.
    pub(super) fn open(root: &Path, site: &str) -> tantivy::Result<Self> {
        fs::create_dir_all(root)?;
        let name = fs::read_to_string(root.join(CURRENT)).unwrap_or_default();
        let folder = root.join(name.trim());
        let known = !name.trim().is_empty() && name.trim().bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if known && folder.is_dir() {
            match Self::open_folder(&folder, site) {
                Ok(disk) => {
                    sweep(root, &folder);
                    return Ok(disk);
                }
                Err(error) => tracing::warn!(%error, "the search index can't be used and is built anew"),
            }
        }
        let disk = Self::create(root, site)?;
        disk.serve(root)?;
        Ok(disk)
    }

    /// An empty index in a folder of its own.
    pub(super) fn create(root: &Path, site: &str) -> tantivy::Result<Self> {
        let folder = root.join(Id::generate().to_string());
        fs::create_dir_all(&folder)?;
        let fields = Fields::new();
        let settings = IndexSettings { docstore_blocksize: BLOCK_BYTES, ..IndexSettings::default() };
        let index = Index::create(Folder::open(&folder)?, fields.schema.clone(), settings)?;
        let checkpoint = Checkpoint { place: 0, format: FORMAT, site: site.to_owned() };
        Self::with(&index, fields, checkpoint, folder)
    }

    fn open_folder(folder: &Path, site: &str) -> tantivy::Result<Self> {
        let broken = |text: &str| TantivyError::InvalidArgument(text.to_owned());
        let index = Index::open(Folder::open(folder)?)?;
        let fields = Fields::new();
        if index.schema() != fields.schema {
            return Err(broken("it has other fields"));
        }
        if !index.validate_checksum()?.is_empty() {
            return Err(broken("files are damaged"));
        }
        let payload = index.load_metas()?.payload.ok_or_else(|| broken("it does not say how far it is"))?;
        let checkpoint: Checkpoint = serde_json::from_str(&payload).map_err(|_| broken("it does not say how far it is"))?;
        if checkpoint.format != FORMAT || checkpoint.site != site {
            return Err(broken("it is of another kind"));
        }
        Self::with(&index, fields, checkpoint, folder.to_owned())
    }

    fn with(index: &Index, fields: Fields, checkpoint: Checkpoint, folder: PathBuf) -> tantivy::Result<Self> {
        Fields::register(index);
        let writer: IndexWriter = index.writer_with_num_threads(1, WRITER_BYTES)?;
        let mut policy = LogMergePolicy::default();
        policy.set_min_num_segments(SEGMENTS_MERGED);
        policy.set_min_layer_size(SMALLEST_SEGMENT);
        policy.set_level_log_size(SIZES_ALIKE);
        policy.set_del_docs_ratio_before_merge(REPLACED_SHARE);
        writer.set_merge_policy(Box::new(policy));
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).doc_store_cache_num_blocks(STORE_BLOCKS).try_into()?;
        Ok(Self { fields, reader, checkpoint, writer, folder })
    }

    /// Makes this the index that serves after the next start; older folders go.
    pub(super) fn serve(&self, root: &Path) -> io::Result<()> {
        let name = self.folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        write_whole(&root.join(CURRENT), name.as_bytes())?;
        sweep(root, &self.folder);
        Ok(())
    }

    /// Puts documents in the place of those that the datasets had, and shows them.
    pub(super) fn apply(&mut self, batch: Batch) -> tantivy::Result<()> {
        for dataset in &batch.ids {
            self.writer.delete_term(self.fields.exact("id", dataset)?);
        }
        for document in batch.documents {
            self.writer.add_document(document)?;
        }
        let checkpoint = Checkpoint { place: batch.place, ..self.checkpoint.clone() };
        let payload = serde_json::to_string(&checkpoint).map_err(|error| TantivyError::InternalError(error.to_string()))?;
        let mut commit = self.writer.prepare_commit()?;
        commit.set_payload(&payload);
        commit.commit()?;
        self.checkpoint = checkpoint;
        self.reader.reload()
    }
}

/// Removes every folder but one. Files that somebody still reads stay readable for him.
fn sweep(root: &Path, kept: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir() && path != kept) {
        if let Err(error) = fs::remove_dir_all(&path) {
            tracing::warn!(%error, "an old search index is not removed");
        }
    }
}
