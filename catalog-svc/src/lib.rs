//! The catalogue: organizations, datasets, resources and their tables; the only committer of table versions.
//!
//! [`grpc`] is the contract's face: it reads a request, calls one function of [`organization`], [`dataset`] or [`table`], and shapes
//! the answer. [`ckan`] is CKAN's face of the same rows. SQL lives in [`store`], one file per thing. [`permission`] holds the only permission function. [`publish`] is the
//! journal through which every table version comes to be. [`mod@file`] keeps uploads, [`loader`] makes tables of them. [`search`] keeps an index
//! beside the database. [`compact`] and [`vacuum`] keep tables small behind everybody's back.

mod addressed;
mod ckan;
mod column;
mod compact;
mod dataset;
mod delete;
mod error;
mod file;
mod find;
mod finding;
mod format;
mod grpc;
mod loader;
mod merge;
mod options;
mod organization;
mod permission;
mod publish;
mod reader;
mod receive;
mod rewriting;
mod search;
mod spool;
mod store;
mod table;
mod tail;
mod thing;
mod unique;
mod upload;
mod user;
mod vacuum;
mod widen;

use std::{path::PathBuf, sync::Arc};

use madang_kit::{
    Clock, Db, Drain, Error, Result, assertion::AllowList, bell::Bell, ckan::SiteOptions, housekeeping, outbound::FetchAllow, rpc::Served,
};
use madang_lake::{Files, Lake, Limits};
use madang_proto::catalog::v1::{
    actions_server::ActionsServer, catalog_server::CatalogServer, permissions_server::PermissionsServer,
    table_commits_server::TableCommitsServer, users_server::UsersServer,
};
use tonic::service::Routes;

/// What the service needs.
pub struct Options {
    /// The catalogue's own database.
    pub database: Db,
    /// The table store.
    pub lake: Arc<dyn Lake>,
    /// The store of uploaded files.
    pub files: Arc<dyn Files>,
    /// Where linked files may be fetched from beyond public addresses.
    pub fetch_allow: FetchAllow,
    /// Where uploads are spooled; emptied at start.
    pub spool_dir: PathBuf,
    /// Where the search index lies.
    pub search_dir: PathBuf,
    /// The largest upload, in bytes.
    pub upload_bytes: u64,
    /// What an upload may become when it is unpacked, in bytes.
    pub unpacked_bytes: u64,
    /// The time.
    pub clock: Clock,
    /// The options of CKAN's face.
    pub site: SiteOptions,
}

/// What every part of the service works with.
#[derive(Clone)]
struct Catalog {
    db: Db,
    lake: Arc<dyn Lake>,
    files: Arc<dyn Files>,
    fetch_allow: Arc<FetchAllow>,
    /// Rings when something waits to be loaded.
    loads: Bell,
    spool: spool::Spool,
    /// On each uploaded file.
    limits: Limits,
    clock: Clock,
    site: Arc<SiteOptions>,
    rewriting: rewriting::Rewriting,
    search: search::Search,
    tails: tail::Tails,
}

/// Who may call what.
pub fn allow_list() -> AllowList {
    let calls = |patterns: &[&str]| patterns.iter().map(|&pattern| pattern.to_owned()).collect();
    AllowList::from([
        ("gateway".to_owned(), calls(&["/madang.catalog.v1.Catalog/*", "/madang.catalog.v1.Users/*", "/madang.catalog.v1.Actions/*"])),
        (
            "pipeline".to_owned(),
            calls(&["/madang.catalog.v1.TableCommits/*", "/madang.catalog.v1.Permissions/*", "/madang.catalog.v1.Actions/Act"]),
        ),
        (
            "survey".to_owned(),
            calls(&[
                "/madang.catalog.v1.Actions/Act",
                "/madang.catalog.v1.Catalog/UpdateDataset",
                "/madang.catalog.v1.Permissions/DemandOrganization",
            ]),
        ),
    ])
}

/// Brings the database up to date, finishes what a crash left open, and gives the service.
pub async fn service(options: Options, drain: &Drain) -> Result<Served> {
    options.database.migrate(&store::MIGRATIONS).await.map_err(Error::internal)?;
    let catalog = Catalog {
        loads: Bell::new("madang_loads", &options.database, drain),
        db: options.database,
        lake: options.lake,
        files: options.files,
        fetch_allow: Arc::new(options.fetch_allow),
        spool: spool::Spool::open(options.spool_dir, options.upload_bytes, options.unpacked_bytes).await?,
        limits: Limits { decoded_bytes: options.unpacked_bytes, ..Limits::STEP },
        clock: options.clock,
        site: Arc::new(options.site),
        rewriting: rewriting::Rewriting::default(),
        search: search::Search::new(options.search_dir),
        tails: tail::Tails::default(),
    };
    publish::roll_forward_all(&catalog).await?;
    publish::spawn_retries(catalog.clone(), drain);
    tail::spawn(catalog.clone(), drain);
    compact::spawn(catalog.clone(), drain);
    vacuum::spawn(catalog.clone(), drain);
    file::spawn(catalog.clone(), drain);
    loader::spawn(&catalog, drain).await?;
    search::spawn(catalog.clone(), drain);
    housekeeping::spawn(&catalog.db, &catalog.clock, drain);
    let routes = Routes::new(CatalogServer::new(catalog.clone()))
        .add_service(TableCommitsServer::new(catalog.clone()).max_decoding_message_size(grpc::COMMIT_BYTES))
        .add_service(PermissionsServer::new(catalog.clone()))
        .add_service(ActionsServer::new(catalog.clone()).max_decoding_message_size(grpc::ACTION_BYTES))
        .add_service(UsersServer::new(catalog.clone()));
    Ok(Served { name: "catalog", routes, database: catalog.db })
}
