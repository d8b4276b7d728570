//! `madang explain`: why a captured request is refused, without a hub. The secret is read, and never printed.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, bail, ensure};
use clap::Args;
use madang_gateway::explain::{Captured, Explanation, Field, Kept, Key, KeyHalves, MAX_BODY, Standing, explain};

/// The longest request that is read, in bytes.
const MAX_REQUEST: u64 = 1 << 20;

/// What was captured: a file with the request as it travelled, or its parts.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The request as it travelled: request line, headers, an empty line, the body; `-` reads it from standard input.
    file: Option<PathBuf>,
    /// The HTTP method.
    #[arg(long)]
    method: Option<String>,
    /// Path and query exactly as they travelled.
    #[arg(long)]
    target: Option<String>,
    /// The value of x-ncp-apigw-timestamp.
    #[arg(long, value_name = "MS")]
    timestamp: Option<String>,
    /// The value of x-ncp-iam-access-key.
    #[arg(long)]
    access_key: Option<String>,
    /// The value of x-ncp-apigw-signature-v2.
    #[arg(long)]
    signature: Option<String>,
    /// Another header, `name: value`; may be given again.
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// A file with the body.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The secret key; other users of the machine can see it in the list of processes.
    #[arg(long, env = "MADANG_SECRET_KEY", hide_env_values = true)]
    secret_key: Option<String>,
    /// A file with the secret key.
    #[arg(long, value_name = "FILE", conflicts_with = "secret_key")]
    secret_file: Option<PathBuf>,
    /// The access key that belongs to the secret, if the request does not carry it.
    #[arg(long, value_name = "KEY")]
    name: Option<String>,
    /// When the request arrived, in milliseconds since 1970; now, if not given.
    #[arg(long, value_name = "MS")]
    received: Option<i64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints what is wrong with the request. It fails if something is, so that scripts can tell.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let secret = secret(arguments)?;
    let request = Request::read(arguments)?;
    let explanation = request.explained(arguments, &secret)?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&explanation)?)?;
    } else {
        print(&mut out, &explanation)?;
    }
    ensure!(explanation.verdict == "signature_holds", "this request is refused: {}", explanation.verdict);
    Ok(())
}

fn print(out: &mut impl Write, explanation: &Explanation) -> std::io::Result<()> {
    for verdict in &explanation.verdicts {
        writeln!(out, "{}: {}", verdict.mistake, verdict.explanation)?;
    }
    writeln!(out, "\nstring to sign:")?;
    for line in explanation.string_to_sign.split_inclusive('⏎') {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

fn secret(arguments: &Arguments) -> anyhow::Result<String> {
    let secret = match (&arguments.secret_key, &arguments.secret_file) {
        (Some(secret), _) => secret.clone(),
        (None, Some(path)) => read(path)?.trim_end_matches(['\r', '\n']).to_owned(),
        (None, None) => bail!("the secret key is needed: --secret-file, or MADANG_SECRET_KEY in the environment"),
    };
    ensure!(!secret.is_empty(), "the secret key is empty");
    Ok(secret)
}

fn read(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let failed = || format!("can't read {}", path.display());
    if path.as_os_str() == "-" {
        std::io::stdin().take(MAX_REQUEST).read_to_end(&mut bytes).with_context(failed)?;
    } else {
        fs::File::open(path).and_then(|file| file.take(MAX_REQUEST).read_to_end(&mut bytes)).with_context(failed)?;
    }
    // Bytes that are no text matter in the body only, and there they are compared as what they are read as.
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// A request, from a file or from flags; flags win.
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    fn read(arguments: &Arguments) -> anyhow::Result<Self> {
        let mut request = match &arguments.file {
            Some(path) => Self::parse(&read(path)?)?,
            None => Self { method: String::new(), target: String::new(), headers: Vec::new(), body: String::new() },
        };
        request.method = arguments.method.clone().unwrap_or(request.method);
        request.target = arguments.target.clone().unwrap_or(request.target);
        let named = [
            ("x-ncp-apigw-timestamp", &arguments.timestamp),
            ("x-ncp-iam-access-key", &arguments.access_key),
            ("x-ncp-apigw-signature-v2", &arguments.signature),
        ];
        for (name, value) in named.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            request.headers.retain(|(known, _)| known != name);
            request.headers.push((name.to_owned(), value.clone()));
        }
        for header in &arguments.header {
            request.headers.push(parse_header(header).with_context(|| "a --header reads 'name: value'")?);
        }
        if let Some(path) = &arguments.body {
            request.body = read(path)?;
        }
        ensure!(!request.method.is_empty(), "the method is needed: --method, or a file with the request");
        ensure!(request.target.starts_with('/'), "the target is needed, beginning with '/': --target, or a file with the request");
        Ok(request)
    }

    /// A request as it travels; `curl -v` puts '> ' before each line of the head.
    fn parse(text: &str) -> anyhow::Result<Self> {
        let (mut lines, mut length) = (Vec::new(), 0);
        for line in text.split_inclusive('\n') {
            length += line.len();
            let bare = line.trim_end_matches(['\r', '\n']);
            let bare = bare.strip_prefix("> ").or_else(|| bare.strip_prefix('>')).unwrap_or(bare);
            if bare.is_empty() {
                break;
            }
            lines.push(bare);
        }
        let first = lines.first().copied().unwrap_or_default();
        let mut words = first.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else { bail!("the first line must read 'METHOD target HTTP/1.1'") };
        let headers = lines.iter().skip(1).filter_map(|line| parse_header(line));
        let body = text.get(length..).unwrap_or_default().to_owned();
        Ok(Self { method: method.to_owned(), target: target.to_owned(), headers: headers.collect(), body })
    }

    fn explained(&self, arguments: &Arguments, secret: &str) -> anyhow::Result<Explanation> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
        let received = arguments.received.map_or_else(|| i64::try_from(now), Ok)?;
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut captured = Captured::new(&self.method, &self.target, &headers, |text| text != secret, received);
        captured.body = if self.body.len() > MAX_BODY {
            Kept::Not(format!("it is longer than {MAX_BODY} bytes"))
        } else {
            Kept::whole(self.body.as_bytes())
        };
        let sent = match &captured.access_key {
            Field::Text(name) => Some(name.clone()),
            _ => None,
        };
        let name = arguments.name.clone().or_else(|| sent.clone());
        let by_secret = matches!(captured.access_key, Field::Withheld(_));
        let halves = KeyHalves { access_key: name.as_deref().unwrap_or_default(), secret, standing: Standing::Good };
        let key = match (by_secret, &name) {
            (true, _) => Key::NamedBySecret(halves),
            (false, Some(name)) if sent.as_ref().is_some_and(|sent| sent != name) => Key::Unknown,
            (false, _) => Key::Named(halves),
        };
        Ok(explain(&captured, key, false, &[secret]))
    }
}

fn parse_header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}
