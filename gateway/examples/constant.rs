//! A catalogue that answers every call with the same collection, for `cargo xtask bench signature`:
//! `constant service` serves it alone, `constant gateway` a gateway in front of it, `constant up` both in one process. Settings come from the environment, as for
//! `madang`; the data folder must have been made by `madang init`.

use std::{
    convert::Infallible,
    error::Error,
    future::Ready,
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use madang_gateway::{Listeners, Options};
use madang_kit::{
    assertion::AllowList,
    ckan::SiteOptions,
    config::Loaded,
    process::Process,
    rpc::{Channel, Served},
    telemetry,
};
use madang_proto::catalog::v1::{GetRequest, Organization, PutUserRequest, PutUserResponse};
use prost_types::Timestamp;
use tonic::{
    Request, Response, Status,
    body::Body,
    server::{Grpc, NamedService, UnaryService},
    service::Routes,
};
use tonic_prost::ProstCodec;
use tower::Service;

/// The id of the one collection.
const COLLECTION: &str = "01932c07-209f-7c8e-8f3a-1d2b3c4d5e6f";

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Outcome<()> {
    let process = Process::open(Loaded::load(None, &[])?.config)?;
    telemetry::start_logging(&process.config.log, process.config.environment); // writes an access log, as `madang` does
    match std::env::args().nth(1).as_deref() {
        Some("service") => Ok(process.serve(process.config.catalog.listen, served(&process).await?, allowed()).await?),
        Some("gateway") => {
            let way = || process.connect("gateway", "catalog", process.config.catalog.url.as_ref());
            gateway(&process, way()?, way()?).await
        }
        Some("up") => {
            let mut channels = process.embed(&["gateway", "gateway"], served(&process).await?, allowed()).await?;
            let (Some(catalog), Some(pipeline)) = (channels.pop(), channels.pop()) else { return Err("two channels".into()) };
            gateway(&process, catalog, pipeline).await
        }
        _ => Err("constant service | gateway | up".into()),
    }
}

async fn gateway(process: &Process, catalog: Channel, pipeline: Channel) -> Outcome<()> {
    let listeners = Listeners::bind(&process.config, None).await?;
    let addresses = listeners.addresses()?;
    let (secrets, clock) = (process.secrets.clone(), process.clock.clone());
    let database = process.database(process.config.gateway.database_url.as_ref(), "gateway").await?;
    let metrics = telemetry::start_metrics(&process.drain).map(|handle| Arc::new(move || handle.render()) as Arc<_>);
    let options =
        Options { database, secrets, catalog, pipeline, spec_store: None, survey: None, clock, site: SiteOptions::default(), metrics };
    madang_gateway::start(options, process.config.clone(), listeners, &process.drain).await?;
    let http = addresses.http.ok_or("no address")?;
    process.announce(&format!("http=http://{http}"))?;
    Ok(process.run().await?)
}

fn allowed() -> AllowList {
    AllowList::from([("gateway".to_owned(), vec!["/madang.catalog.v1.Catalog/*".to_owned(), "/madang.catalog.v1.Users/*".to_owned()])])
}

async fn served(process: &Process) -> Outcome<Served> {
    let database = process.database(None, "constant").await?;
    let time = Some(Timestamp { seconds: 1_772_400_000, nanos: 0 });
    let collection = Organization {
        id: COLLECTION.to_owned(),
        title: "서울시 교통 분석".to_owned(),
        description: Some("늘 같은 답".to_owned()),
        created_at: time,
        updated_at: time,
        revision: 1,
        ..Organization::default()
    };
    Ok(Served { name: "catalog", routes: Routes::new(Catalog(collection)).add_service(Users), database })
}

/// Answers every call with its collection.
#[derive(Clone)]
struct Catalog(Organization);

/// Takes every user.
#[derive(Clone)]
struct Users;

impl NamedService for Catalog {
    const NAME: &'static str = "madang.catalog.v1.Catalog";
}

impl NamedService for Users {
    const NAME: &'static str = "madang.catalog.v1.Users";
}

impl UnaryService<GetRequest> for Catalog {
    type Response = Organization;
    type Future = Ready<Result<Response<Organization>, Status>>;

    fn call(&mut self, _: Request<GetRequest>) -> Self::Future {
        std::future::ready(Ok(Response::new(self.0.clone())))
    }
}

impl UnaryService<PutUserRequest> for Users {
    type Response = PutUserResponse;
    type Future = Ready<Result<Response<PutUserResponse>, Status>>;

    fn call(&mut self, _: Request<PutUserRequest>) -> Self::Future {
        std::future::ready(Ok(Response::new(PutUserResponse::default())))
    }
}

/// As the generated servers do it, for whatever method.
macro_rules! serve {
    ($service:ty) => {
        impl Service<http::Request<Body>> for $service {
            type Response = http::Response<Body>;
            type Error = Infallible;
            type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<Body>) -> Self::Future {
                let service = self.clone();
                Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(service, request).await) })
            }
        }
    };
}

serve!(Catalog);
serve!(Users);
