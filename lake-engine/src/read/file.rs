//! One Parquet file of the store, and footers of files read lately.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt, TryFutureExt, future::BoxFuture};
use madang_lake::Result;
use moka::sync::Cache;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use parquet::{
    arrow::{
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions},
        async_reader::AsyncFileReader,
    },
    errors::{ParquetError, Result as ParquetResult},
    file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
};

use crate::storage;

const FOOTER_BYTES: u64 = 64 << 20;

/// A file of known size.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) path: Path,
    pub(super) bytes: u64,
}

impl AsyncFileReader for File {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.store.get_range(&self.path, range).map_err(ParquetError::from).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move { self.store.get_ranges(&self.path, &ranges).await.map_err(ParquetError::from) }.boxed()
    }

    fn get_metadata<'a>(&'a mut self, options: Option<&'a ArrowReaderOptions>) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        let bytes = self.bytes;
        async move {
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options).with_prefetch_hint(Some(64 << 10));
            Ok(Arc::new(reader.load_and_finish(self, bytes).await?))
        }
        .boxed()
    }
}

/// A data file never changes, so neither does its footer.
#[derive(Clone, Debug)]
pub(crate) struct Footers(Cache<Path, ArrowReaderMetadata>);

impl Default for Footers {
    fn default() -> Self {
        let weigh = |_: &Path, footer: &ArrowReaderMetadata| u32::try_from(footer.metadata().memory_size()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(FOOTER_BYTES).weigher(weigh).build())
    }
}

impl Footers {
    /// The footer of a file, with the places of its pages.
    pub(super) async fn of(&self, file: &mut File) -> Result<ArrowReaderMetadata> {
        if let Some(footer) = self.0.get(&file.path) {
            return Ok(footer);
        }
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let footer = ArrowReaderMetadata::load_async(file, options).await.map_err(storage)?;
        self.0.insert(file.path.clone(), footer.clone());
        Ok(footer)
    }
}
