//! A session that knows the wanted tables and nothing else: one store, no files by path, no catalogue tables.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use datafusion::{
    catalog::{
        CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider, SchemaProvider,
    },
    common::{Result as DataFusionResult, not_impl_err},
    execution::{
        FunctionRegistry, SessionState, SessionStateBuilder,
        disk_manager::DiskManagerBuilder,
        memory_pool::MemoryPool,
        object_store::ObjectStoreRegistry,
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
    prelude::SessionConfig,
};
use madang_lake::Result;
use object_store::ObjectStore;
use url::Url;

use super::{
    amplify::{self, CountAll, Meter},
    pause::GivenUp,
    spill::Spill,
    statement::unknown,
    table::Table,
};
use crate::storage;

/// Memory below which another partition hinders more than it helps.
const PARTITION_BYTES: usize = 64 << 20;
/// Rows of a batch. Wide cells and what functions make of them are in memory for a batch at a time, in each partition.
const BATCH_ROWS: usize = 2_048;

/// What all statements may use, without what is counted for each query by itself.
static FEATURES: LazyLock<SessionState> = LazyLock::new(|| {
    SessionStateBuilder::new_with_default_features()
        .with_table_functions(HashMap::new())
        .with_scalar_functions(amplify::allowed_functions())
        .with_higher_order_functions(Vec::new())
        .build()
});

/// What a query has.
pub(super) struct Session {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) scratch: PathBuf,
    pub(super) tables: HashMap<String, Table>,
    pub(super) memory_bytes: usize,
    pub(super) pool: Arc<dyn MemoryPool>,
    pub(super) meter: Meter,
    pub(super) given_up: GivenUp,
    /// Whether joins sort both sides, which can go to the disk, instead of keeping one in memory.
    pub(super) sorted_joins: bool,
}

impl Session {
    /// A state in which exactly these names are tables.
    pub(super) fn state(&self, names: &[String], fold_case: bool) -> Result<SessionState> {
        let schema = MemorySchemaProvider::new();
        for name in names {
            let table = self.find(name).ok_or_else(|| unknown(name))?.clone();
            schema.register_table(name.clone(), Arc::new(table)).map_err(storage)?;
        }
        let config = self.config(fold_case);
        let defaults = &config.options().catalog;
        let (catalog_name, schema_name) = (defaults.default_catalog.clone(), defaults.default_schema.clone());
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(&schema_name, Arc::new(schema)).map_err(storage)?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(catalog_name, Arc::new(catalog));
        let mut state = SessionStateBuilder::from(FEATURES.clone())
            .with_config(config)
            .with_runtime_env(self.runtime()?)
            .with_catalog_list(Arc::new(catalogs))
            .with_analyzer_rule(Arc::new(CountAll(self.meter.clone())))
            .build();
        for function in self.meter.counted_functions() {
            state.register_udf(function).map_err(storage)?; // in the place of the one that is not counted
        }
        state.mark_start_execution(); // now() is the same everywhere in the statement
        Ok(state)
    }

    fn config(&self, fold_case: bool) -> SessionConfig {
        let mut config =
            SessionConfig::new().with_information_schema(false).with_create_default_catalog_and_schema(false).with_batch_size(BATCH_ROWS);
        let options = config.options_mut();
        options.sql_parser.enable_ident_normalization = fold_case;
        options.sql_parser.map_string_types_to_utf8view = false;
        options.execution.parquet.schema_force_view_types = false;
        options.execution.time_zone = Some("UTC".to_owned());
        // Partitions share the memory, and a sort keeps some free in each for merging what it spilled.
        let execution = &mut options.execution;
        execution.target_partitions = (self.memory_bytes / PARTITION_BYTES).clamp(1, execution.target_partitions.max(1));
        if self.sorted_joins {
            execution.target_partitions = execution.target_partitions.max(2); // with one, the engine plans no such join
        }
        execution.sort_spill_reservation_bytes = (self.memory_bytes / 4).min(execution.sort_spill_reservation_bytes);
        options.optimizer.prefer_hash_join = !self.sorted_joins;
        config
    }

    /// The table behind a name: as written, else in lower case, else the only one that differs in case alone.
    fn find(&self, name: &str) -> Option<&Table> {
        let folded = name.to_lowercase();
        if let Some(found) = self.tables.get(name).or_else(|| self.tables.get(&folded)) {
            return Some(found);
        }
        let mut alike = self.tables.iter().filter(|(known, _)| known.to_lowercase() == folded);
        match (alike.next(), alike.next()) {
            (Some((_, only)), None) => Some(only),
            _ => None,
        }
    }

    fn runtime(&self) -> Result<Arc<RuntimeEnv>> {
        let spill = DiskManagerBuilder::default().with_temp_file_factory(Arc::new(Spill::new(self.scratch.clone())));
        RuntimeEnvBuilder::new()
            .with_memory_pool(self.pool.clone())
            .with_disk_manager_builder(spill)
            .with_object_store_registry(Arc::new(OnlyStore(self.store.clone())))
            .build_arc()
            .map_err(storage)
    }
}

/// Every URL leads to the lake's store; no other can be registered, not even the local disk.
#[derive(Debug)]
struct OnlyStore(Arc<dyn ObjectStore>);

impl ObjectStoreRegistry for OnlyStore {
    fn register_store(&self, _: &Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> DataFusionResult<Arc<dyn ObjectStore>> {
        if url.scheme() == super::table::SCHEME {
            return Ok(self.0.clone());
        }
        not_impl_err!("no store but the lake's own")
    }
}
