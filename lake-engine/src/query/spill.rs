//! Where a query goes when memory is not enough: a folder of its own, made when the first file is.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use datafusion::{
    common::Result,
    execution::{
        disk_manager::{DiskManager, DiskManagerBuilder, DiskManagerMode},
        spill_file::{SpillFile, TempFileFactory},
    },
};

/// Bytes that one query may have on the local disk.
const MAX_BYTES: u64 = 20 << 30;

/// Files of one query. Most queries need none, and making a folder for each costs more than they do.
#[derive(Debug)]
pub(super) struct Spill {
    parent: PathBuf,
    folder: Mutex<Option<Arc<DiskManager>>>,
}

impl Spill {
    pub(super) fn new(parent: PathBuf) -> Self {
        Self { parent, folder: Mutex::default() }
    }

    fn folder(&self) -> Result<Arc<DiskManager>> {
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = folder.as_ref() {
            return Ok(made.clone());
        }
        let mode = DiskManagerMode::Directories(vec![self.parent.clone()]);
        let made = Arc::new(DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(MAX_BYTES).build()?);
        Ok(folder.insert(made).clone())
    }
}

impl TempFileFactory for Spill {
    fn create_temp_file(&self, description: &str) -> Result<Arc<dyn SpillFile>> {
        self.folder()?.create_tmp_file(description)
    }
}
