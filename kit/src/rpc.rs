//! gRPC between our processes: the same code with and without a socket.
//!
//! A client is built on a [`Channel`], which is either a connection or the other service itself. On the way out [`outgoing`] adds
//! the assertion and the request's names; on the way in [`Guard`] checks them and leaves a [`Context`] for the handler.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{self, Poll},
    time::Duration,
};

use futures::future::Either;
use http::{HeaderValue, header::HeaderName};
use tokio::net::TcpListener;
use tonic::{
    Status,
    body::Body,
    service::Routes,
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_check_response::ServingStatus as WireStatus, health_client::HealthClient},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use crate::{
    Code, Context, Db, Drain, Error, Result,
    assertion::{Refusal, Signer, Verified, Verifier},
};

const ASSERTION: &str = "x-madang-assertion";
const REQUEST_ID: &str = "x-request-id";
const IDEMPOTENCY_KEY: &str = "x-madang-idempotency-key";
/// gRPC's own health service answers anybody: it tells nothing but "serving".
const HEALTH: &str = "/grpc.health.v1.Health/";

const CHECK_EVERY: Duration = Duration::from_secs(2);
const HEALTH_WITHIN: Duration = Duration::from_secs(2);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A way to another service.
pub type Channel = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, ChannelError>;

/// The other service can't be reached.
#[derive(Debug, thiserror::Error)]
#[error("the service can't be reached")]
pub struct ChannelError(#[source] BoxError);

/// A channel to a service in another process, connected when first used.
///
/// # Errors
/// [`Code::Invalid`] if the address is no URL.
pub fn connect(url: &str, signer: Signer) -> Result<Channel> {
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| Error::invalid("url", "url", format!("'{url}' is not a URL")))?;
    let endpoint = endpoint.connect_timeout(Duration::from_secs(5)).tcp_nodelay(true);
    Ok(outgoing(endpoint.connect_lazy(), signer))
}

/// A channel to a service in this process, without a socket.
pub fn local(routes: Guard<Routes>, signer: Signer) -> Channel {
    outgoing(routes, signer)
}

/// A channel to a service that this installation does not have: every call is answered that it is away.
pub fn absent() -> Channel {
    let nowhere = |_: http::Request<Body>| ready(Err(ChannelError("no address of the service is configured".into())));
    BoxCloneSyncService::new(tower::service_fn(nowhere))
}

fn outgoing<S>(service: S, signer: Signer) -> Channel
where
    S: Service<http::Request<Body>, Response = http::Response<Body>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    let sign = move |mut request: http::Request<Body>| {
        stamp(&mut request, &signer);
        request
    };
    BoxCloneSyncService::new(ServiceBuilder::new().map_request(sign).service(service.map_err(|error: S::Error| ChannelError(error.into()))))
}

/// A request that carries who is asking.
pub fn request<M>(context: &Context, message: M) -> tonic::Request<M> {
    let mut request = tonic::Request::new(message);
    request.extensions_mut().insert(context.clone());
    request
}

/// The context that [`Guard`] left for a handler.
pub fn context<M>(request: &tonic::Request<M>) -> Result<Context> {
    request.extensions().get().cloned().ok_or_else(|| Error::new(Code::Unauthenticated, "no assertion"))
}

/// What a method of a contract gives.
pub type Answer<M> = std::result::Result<tonic::Response<M>, Status>;

/// A method of a contract that is one function of the service, the caller's context and the message.
#[macro_export]
macro_rules! answer {
    ($service:ident, $request:ident, $function:path) => {{
        let context = $crate::rpc::context(&$request)?;
        Ok(::tonic::Response::new($function($service, &context, $request.into_inner()).await?))
    }};
}
pub use answer;

fn stamp(request: &mut http::Request<Body>, signer: &Signer) {
    let Some(context) = request.extensions_mut().remove::<Context>() else { return };
    let assertion = signer.assertion(&context.principal, request.uri().path());
    let headers = request.headers_mut();
    let key = context.idempotency_key.as_deref();
    for (name, value) in [(ASSERTION, Some(&*assertion)), (REQUEST_ID, Some(&*context.request_id)), (IDEMPOTENCY_KEY, key)] {
        if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// Lets a call in only with a valid assertion.
#[derive(Clone, Debug)]
pub struct Guard<S> {
    inner: S,
    verifier: Verifier,
}

/// Wraps services in a [`Guard`].
#[derive(Clone, Debug)]
pub struct GuardLayer(pub Verifier);

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, verifier: self.0.clone() }
    }
}

impl<S, B> Service<http::Request<B>> for Guard<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>, Error = Infallible>,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<std::result::Result<Self::Response, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        if request.uri().path().starts_with(HEALTH) {
            return Either::Left(self.inner.call(request));
        }
        match admit(&self.verifier, &request) {
            Ok(context) => {
                request.extensions_mut().insert(context);
                Either::Left(self.inner.call(request))
            }
            Err(refusal) => Either::Right(ready(Ok(refuse(refusal, request.uri().path()).into_http()))),
        }
    }
}

fn admit<B>(verifier: &Verifier, request: &http::Request<B>) -> std::result::Result<Context, Refusal> {
    let header = |name: &str| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let Verified { principal, .. } = verifier.verify(header(ASSERTION), request.uri().path())?;
    Ok(Context {
        principal,
        request_id: header(REQUEST_ID).unwrap_or_default().to_owned(),
        idempotency_key: header(IDEMPOTENCY_KEY).map(str::to_owned),
    })
}

fn refuse(refusal: Refusal, method: &str) -> Status {
    tracing::warn!(reason = %refusal, method, "call refused");
    let code = if refusal == Refusal::NotAllowed { Code::Denied } else { Code::Unauthenticated };
    Error::new(code, "a valid assertion is needed").into()
}

/// What a service offers.
pub struct Served {
    /// The service's short name: `catalog`.
    pub name: &'static str,
    /// Its gRPC services, unguarded.
    pub routes: Routes,
    /// Its database: the service is ready while that answers.
    pub database: Db,
}

impl Served {
    /// Adds the health service and puts the guard before everything.
    pub async fn guarded(self, verifier: Verifier, drain: &Drain) -> Guard<Routes> {
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_service_status("", health_of(&self.database).await).await;
        let stop = drain.token();
        let database = self.database;
        drain.spawn(async move {
            while stop.run_until_cancelled(tokio::time::sleep(CHECK_EVERY)).await.is_some() {
                reporter.set_service_status("", health_of(&database).await).await;
            }
        });
        GuardLayer(verifier).layer(self.routes.add_service(health).prepare())
    }
}

async fn health_of(database: &Db) -> ServingStatus {
    if database.answers().await { ServingStatus::Serving } else { ServingStatus::NotServing }
}

/// Asks a service whether it is ready; the text says why not.
pub async fn check_health(channel: Channel) -> std::result::Result<(), String> {
    let mut client = HealthClient::new(channel);
    let check = client.check(HealthCheckRequest::default());
    match tokio::time::timeout(HEALTH_WITHIN, check).await {
        Ok(Ok(answer)) if answer.get_ref().status == i32::from(WireStatus::Serving) => Ok(()),
        Ok(Ok(_)) => Err("its database does not answer".to_owned()),
        Ok(Err(_)) => Err("it can't be reached".to_owned()),
        Err(_) => Err("it does not answer in time".to_owned()),
    }
}

/// Serves a guarded service on a socket until the process drains.
pub async fn serve(listener: TcpListener, routes: Guard<Routes>, drain: &Drain) -> std::result::Result<(), tonic::transport::Error> {
    let stop = drain.token();
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder().serve_with_incoming_shutdown(routes, incoming, stop.cancelled_owned()).await
}
