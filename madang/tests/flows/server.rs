//! A server of files that a test changes as it likes, with ETags.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// What an address answers.
#[derive(Clone)]
pub(crate) enum Answer {
    File(Vec<u8>),
    Redirect(String),
    Status(u16),
    /// Bytes without an end.
    Endless,
    /// Nothing, for ever.
    Silence,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: String,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    /// Whole files that were sent.
    pub(crate) sent: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let address = listener.local_addr().expect("it has one").to_string();
        let server = Self { address, answers: Arc::default(), sent: Arc::default() };
        let own = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let own = own.clone();
                tokio::spawn(async move { own.serve(stream).await });
            }
        });
        server
    }

    pub(crate) fn set(&self, path: &str, answer: Answer) -> String {
        self.answers.lock().expect("nobody panics").insert(path.to_owned(), answer);
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn file(&self, path: &str, text: impl Into<Vec<u8>>) -> String {
        self.set(path, Answer::File(text.into()))
    }

    async fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        let (mut first, mut known) = (String::new(), String::new());
        stream.read_line(&mut first).await.ok()?;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(tag) = line.to_lowercase().strip_prefix("if-none-match:") {
                tag.trim().clone_into(&mut known);
            }
        }
        let path = first.split(' ').nth(1)?.split('?').next()?.to_owned();
        let answer = self.answers.lock().expect("nobody panics").get(&path).cloned().unwrap_or(Answer::Status(404));
        let stream = stream.get_mut();
        let head = |status: &str, more: &str| format!("HTTP/1.1 {status}\r\nconnection: close\r\n{more}\r\n");
        match answer {
            Answer::File(bytes) => {
                let mut hasher = DefaultHasher::new();
                bytes.hash(&mut hasher);
                let tag = format!("\"{:016x}\"", hasher.finish());
                if known == tag {
                    stream.write_all(head("304 Not Modified", "").as_bytes()).await.ok()?;
                } else {
                    self.sent.fetch_add(1, Ordering::Relaxed);
                    let more = format!("content-length: {}\r\netag: {tag}\r\n", bytes.len());
                    stream.write_all(head("200 OK", &more).as_bytes()).await.ok()?;
                    stream.write_all(&bytes).await.ok()?;
                }
            }
            Answer::Redirect(to) => stream.write_all(head("302 Found", &format!("location: {to}\r\n")).as_bytes()).await.ok()?,
            Answer::Status(status) => stream.write_all(head(&format!("{status} Told"), "content-length: 0\r\n").as_bytes()).await.ok()?,
            Answer::Endless => {
                stream.write_all(head("200 OK", "").as_bytes()).await.ok()?;
                let piece = vec![b'x'; 64 << 10];
                while stream.write_all(&piece).await.is_ok() {}
            }
            Answer::Silence => std::future::pending().await,
        }
        stream.shutdown().await.ok()
    }
}
