//! gRPC between our processes: the same code with and without a socket.
//!
//! A client is built on a [`Channel`], which is either a connection or the other service itself. On the way out [`outgoing`] adds
//! the assertion and the request's names; on the way in [`Guard`] checks them and leaves a [`Context`] for the handler.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::Pin,
    task::{self, Poll},
};

use futures::future::Either;
use http::{HeaderValue, header::HeaderName};
use tonic::{Status, body::Body, service::Routes, transport::Endpoint};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use crate::{
    Code, Context, Error, Result,
    assertion::{Refusal, Signer, Verifier},
};

const ASSERTION: &str = "x-madang-assertion";
const REQUEST_ID: &str = "x-request-id";
const IDEMPOTENCY_KEY: &str = "x-madang-idempotency-key";
/// gRPC's own health service answers anybody: it tells nothing but "serving".
const HEALTH: &str = "/grpc.health.v1.Health/";

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
    let endpoint = endpoint.connect_timeout(std::time::Duration::from_secs(5)).tcp_nodelay(true);
    Ok(outgoing(endpoint.connect_lazy(), signer))
}

/// A channel to a service in this process, without a socket.
pub fn local(routes: Guard<Routes>, signer: Signer) -> Channel {
    outgoing(routes, signer)
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
    let text = |name: &str| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let verified = verifier.verify(text(ASSERTION), request.uri().path())?;
    Ok(Context {
        principal: verified.principal,
        request_id: text(REQUEST_ID).unwrap_or_default().to_owned(),
        idempotency_key: text(IDEMPOTENCY_KEY).map(str::to_owned),
    })
}

fn refuse(refusal: Refusal, method: &str) -> Status {
    tracing::warn!(reason = %refusal, method, "call refused");
    let code = if refusal == Refusal::NotAllowed { Code::Denied } else { Code::Unauthenticated };
    Error::new(code, "a valid assertion is needed").into()
}

/// What a service offers: its gRPC services and a way to ask whether it is ready.
pub struct Served {
    /// The service's short name: `catalog`.
    pub name: &'static str,
    /// Its gRPC services, unguarded.
    pub routes: Routes,
}

impl Served {
    /// Puts the guard before the routes.
    pub fn guarded(self, verifier: Verifier) -> Guard<Routes> {
        GuardLayer(verifier).layer(self.routes.prepare())
    }
}

/// A boxed future, for traits that need one.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
