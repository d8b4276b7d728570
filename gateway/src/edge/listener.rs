//! Listeners: HTTP/1.1 and HTTP/2 on plain and TLS sockets, a bounded number of connections, and a drain that ends them well.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, response::Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use madang_kit::{
    Drain,
    config::{Config, Listen},
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt, service_fn};

use super::{
    stall::{Begun, Watched},
    unread::Unread,
};

const MAX_CONNECTIONS: usize = 10_000;
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// For the headers of a request, and for how long a connection may idle between two requests.
const HEADERS_WITHIN: Duration = Duration::from_mins(1);
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How long running requests may take to end once the process stops.
const DRAIN_WITHIN: Duration = Duration::from_secs(20);

/// The other end of a request's connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) tls: bool,
}

/// Sockets that are bound but not served yet.
pub struct Listeners {
    http: Option<TcpListener>,
    https: Option<(TcpListener, Arc<ServerConfig>)>,
}

/// Where the gateway can be reached.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Plain HTTP.
    pub http: Option<SocketAddr>,
    /// HTTPS.
    pub https: Option<SocketAddr>,
}

impl Listeners {
    /// Binds what the configuration says.
    pub async fn bind(config: &Config, tls: Option<Arc<ServerConfig>>) -> std::io::Result<Self> {
        let http = match config.http {
            Listen::At(address) => Some(TcpListener::bind(address).await?),
            Listen::Off => None,
        };
        let https = match (config.https, tls) {
            (Listen::At(address), Some(tls)) => Some((TcpListener::bind(address).await?, tls)),
            _ => None,
        };
        Ok(Self { http, https })
    }

    /// The bound addresses; a port 0 has become a real one.
    pub fn addresses(&self) -> std::io::Result<Addresses> {
        let http = self.http.as_ref().map(TcpListener::local_addr).transpose()?;
        let https = self.https.as_ref().map(|(listener, _)| listener.local_addr()).transpose()?;
        Ok(Addresses { http, https })
    }

    /// Serves both sockets until the process drains.
    pub(crate) fn serve(self, router: Router, drain: &Drain) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        if let Some(listener) = self.http {
            let door = Door { listener, tls: None, router: router.clone(), places: places.clone(), stop: drain.token() };
            drain.spawn(door.open());
        }
        if let Some((listener, tls)) = self.https {
            let door = Door { listener, tls: Some(TlsAcceptor::from(tls)), router, places, stop: drain.token() };
            drain.spawn(door.open());
        }
    }
}

/// One listening socket.
struct Door {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Door {
    async fn open(self) {
        let graceful = GracefulShutdown::new();
        let tasks = tokio_util::task::TaskTracker::new();
        while let Some(accepted) = self.stop.run_until_cancelled(self.accept()).await {
            let Some((socket, address, place)) = accepted else { continue };
            let (tls, router, watcher, stop) = (self.tls.clone(), self.router.clone(), graceful.watcher(), self.stop.clone());
            tasks.spawn(async move {
                let _place = place;
                let peer = Peer { address, tls: tls.is_some() };
                match tls {
                    None => converse(socket, router, peer, watcher).await,
                    Some(tls) => {
                        let handshake = tokio::time::timeout(HANDSHAKE_WITHIN, tls.accept(socket));
                        if let Some(Ok(Ok(socket))) = stop.run_until_cancelled(handshake).await {
                            converse(socket, router, peer, watcher).await;
                        }
                    }
                }
            });
        }
        drop(self.listener);
        tasks.close();
        let ended = async {
            graceful.shutdown().await;
            tasks.wait().await;
        };
        if tokio::time::timeout(DRAIN_WITHIN, ended).await.is_err() {
            tracing::warn!(connections = tasks.len(), "connections cut at the end of the drain");
        }
    }

    async fn accept(&self) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let place = self.places.clone().acquire_owned().await.ok()?;
        match self.listener.accept().await {
            Ok((socket, address)) => {
                let _ = socket.set_nodelay(true);
                Some((socket, address, place))
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await; // out of file handles: let some close
                None
            }
        }
    }
}

/// Serves one connection to its end; it ends early if the other end stands still.
async fn converse<S>(socket: S, router: Router, peer: Peer, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let begun = Begun::default();
    let socket = Watched::new(socket, begun.clone());
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        begun.set();
        request.extensions_mut().insert(peer);
        let (request, unread) = Unread::watch(request);
        let answer = router.clone().oneshot(request);
        async move {
            let mut response: Response = answer.await.unwrap_or_else(|never| match never {});
            unread.settle(&mut response).await;
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN).max_buf_size(MAX_HEADER_BYTES);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEADERS_WITHIN).max_header_list_size(65_536).max_concurrent_streams(256);
    let connection = builder.serve_connection(TokioIo::new(socket), TowerToHyperService::new(service)).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}
