//! `madang key`: access keys and their usage plans, through the running hub, or on its database if nothing serves it.

use std::{fs, io::Write, path::PathBuf, time::SystemTime};

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use madang_gateway::{Credentials, Keys, MAX_KEYS};
use madang_kit::{config::Listen, process::Process};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::{Settings, parts};

const KEYS: &str = "/madang/v1/admin/keys";

/// What is done with keys.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// Where the hub serves [default: the address in the settings].
    #[arg(long, global = true)]
    url: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print keys, by name.
    List {
        /// Only those after this one.
        #[arg(long, default_value = "")]
        after: String,
    },
    /// Print one key.
    Show {
        /// The access key.
        name: String,
    },
    /// Make a key and print it with its secret, this once.
    Create {
        /// User name or e-mail of its owner [default: you].
        #[arg(long)]
        user: Option<String>,
        /// The Space ID [default: the owner's first space].
        #[arg(long)]
        space: Option<String>,
        /// An access key that clients have already, to be brought along.
        #[arg(long, requires = "secret_file")]
        access_key: Option<String>,
        /// A file with its secret.
        #[arg(long, value_name = "FILE", requires = "access_key")]
        secret_file: Option<PathBuf>,
        #[command(flatten)]
        limits: Limits,
    },
    /// Set the usage plan and the end of a key.
    Limit {
        /// The access key.
        name: String,
        #[command(flatten)]
        limits: Limits,
    },
    /// Let a key open again.
    Enable {
        /// The access key.
        name: String,
    },
    /// Keep a key from opening anything.
    Disable {
        /// The access key.
        name: String,
    },
    /// Remove a key for ever.
    Delete {
        /// The access key.
        name: String,
    },
}

/// What is not given stays as it is.
#[derive(Debug, Args)]
struct Limits {
    /// Requests a second.
    #[arg(long, value_name = "N|none")]
    per_second: Option<String>,
    /// Requests a day of Asia/Seoul.
    #[arg(long, value_name = "N|none")]
    per_day: Option<String>,
    /// Requests a month of Asia/Seoul.
    #[arg(long, value_name = "N|none")]
    per_month: Option<String>,
    /// Until when it opens, such as 2027-01-31T09:00:00+09:00.
    #[arg(long, value_name = "TIME|never")]
    expires_at: Option<String>,
}

/// Does it and prints what came of it as JSON.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let process = Process::open(arguments.settings.start()?)?;
    let body = arguments.action.body()?;
    let serves_nobody = arguments.url.is_none() && process.lock("gateway").is_ok();
    let answer = if serves_nobody {
        on_database(&process, &arguments.action, &body).await?
    } else {
        let (method, target) = arguments.action.request();
        Hub::of(&process, arguments.url.as_ref())?.call(method, &target, body).await?
    };
    Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&answer)?)?)
}

async fn on_database(process: &Process, action: &Action, body: &Value) -> anyhow::Result<Value> {
    let database = parts::gateway_database(process).await?;
    let (keys, context) = Keys::open(&database, &process.secrets, process.clock.clone()).await?;
    let body = body.to_string().into_bytes();
    let done = match action {
        Action::List { after } => keys.list(after, MAX_KEYS).await,
        Action::Show { name } => keys.show(name).await,
        Action::Create { .. } => keys.create(&context, &body).await,
        Action::Limit { name, .. } | Action::Enable { name } | Action::Disable { name } => keys.change(&context, name, &body).await,
        Action::Delete { name } => keys.delete(&context, name).await,
    };
    database.close().await;
    done.map_err(|error| {
        let fields: Vec<_> = error.fields.iter().map(|problem| problem.message.clone()).collect();
        if fields.is_empty() { error.into() } else { anyhow::anyhow!(fields.join("; ")) }
    })
}

/// A running hub, asked with the signature of its first administrator.
pub(crate) struct Hub {
    client: Client,
    base: String,
    credentials: Credentials,
}

impl Hub {
    pub(crate) fn of(process: &Process, url: Option<&String>) -> anyhow::Result<Self> {
        let base = match (url, process.config.http) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Listen::At(address)) if address.port() != 0 => format!("http://{address}"),
            _ => bail!("where does the hub serve? Give --url"),
        };
        let file = process.config.data_dir.join("credentials.json");
        let credentials = fs::read(&file).with_context(|| format!("the administrator's key in {}", file.display()))?;
        let credentials = serde_json::from_slice(&credentials).map_err(|_| anyhow::anyhow!("{} is not of its form", file.display()))?;
        let authority = process.config.data_dir.join("tls/ca.pem");
        let mut builder = Client::builder().no_proxy();
        if let Ok(pem) = fs::read(authority) {
            builder = builder.tls_certs_merge([reqwest::Certificate::from_pem(&pem)?]);
        }
        Ok(Self { client: builder.build()?, base, credentials })
    }

    pub(crate) async fn call(&self, method: Method, target: &str, body: Value) -> anyhow::Result<Value> {
        let timestamp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis().to_string();
        let Credentials { access_key, secret_key, .. } = &self.credentials;
        let signature = madang_gateway::sign(method.as_str(), target, &timestamp, access_key, secret_key);
        let mut request = self.client.request(method, format!("{}{target}", self.base));
        request = request.header("x-ncp-apigw-timestamp", timestamp).header("x-ncp-iam-access-key", access_key);
        request = request.header("x-ncp-apigw-signature-v2", signature);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.with_context(|| format!("no hub answers at {}", self.base))?;
        let status = answer.status();
        let answer: Value = answer.json().await.unwrap_or_default();
        ensure!(matches!(status, StatusCode::OK | StatusCode::CREATED), "{status}: {}", answer["detail"]);
        Ok(answer)
    }
}

impl Action {
    fn request(&self) -> (Method, String) {
        match self {
            Self::List { after } => (Method::GET, format!("{KEYS}?limit={MAX_KEYS}&after={after}")),
            Self::Show { name } => (Method::GET, format!("{KEYS}/{name}")),
            Self::Create { .. } => (Method::POST, KEYS.to_owned()),
            Self::Limit { name, .. } | Self::Enable { name } | Self::Disable { name } => (Method::PATCH, format!("{KEYS}/{name}")),
            Self::Delete { name } => (Method::DELETE, format!("{KEYS}/{name}")),
        }
    }

    /// The body of the request; null if there is none.
    fn body(&self) -> anyhow::Result<Value> {
        Ok(match self {
            Self::Create { user, space, access_key, secret_file, limits } => {
                let mut body = limits.body()?;
                for (name, value) in [("user", user), ("space", space), ("access_key", access_key)] {
                    body.extend(value.clone().map(|value| (name.to_owned(), Value::String(value))));
                }
                if let Some(path) = secret_file {
                    let secret = fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
                    body.insert("secret_key".to_owned(), secret.trim_end_matches(['\r', '\n']).into());
                }
                body.into()
            }
            Self::Limit { limits, .. } => limits.body()?.into(),
            Self::Enable { .. } => json!({"state": "active"}),
            Self::Disable { .. } => json!({"state": "disabled"}),
            Self::List { .. } | Self::Show { .. } | Self::Delete { .. } => Value::Null,
        })
    }
}

impl Limits {
    fn body(&self) -> anyhow::Result<Map<String, Value>> {
        let (mut body, mut plan) = (Map::new(), Map::new());
        for (name, text) in [("per_second", &self.per_second), ("per_day", &self.per_day), ("per_month", &self.per_month)] {
            let Some(text) = text else { continue };
            let number = if text == "none" {
                Value::Null
            } else {
                text.parse::<i64>().with_context(|| format!("{name}: a number, or none"))?.into()
            };
            plan.insert(name.to_owned(), number);
        }
        if !plan.is_empty() {
            body.insert("plan".to_owned(), plan.into());
        }
        if let Some(text) = &self.expires_at {
            body.insert("expires_at".to_owned(), if text == "never" { Value::Null } else { text.clone().into() });
        }
        Ok(body)
    }
}
