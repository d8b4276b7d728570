//! Configuration: flags over environment over TOML over defaults, each value with its origin.
//!
//! A variable's name is `MADANG_` and the key in upper case, sections joined by `_`: `MADANG_CATALOG_DATABASE_URL` is
//! `catalog.database_url`.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
    value::{Dict, Value},
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{db::Durability, outbound::FetchAllow};

const PREFIX: &str = "MADANG_";
/// Each run that is worked on has threads and memory of its own.
const MAX_WORKERS: usize = 64;
const SECTIONS: [&str; 7] = ["gateway", "catalog", "pipeline", "spec_store", "survey", "tokens", "logins"];
/// Variables that others know a setting by.
const ALIASES: [(&str, &str); 1] = [("AUTH_SERVER", "spec_store.auth_server")];

/// What is logged unless the operator says otherwise: our own news, and what libraries warn of. The Delta libraries report an absent
/// table and a lost race for a version as errors, although both are usual answers.
pub const DEFAULT_FILTER: &str = "warn,madang=info,buoyant_kernel=off,deltalake_core=off";

/// Everything that an operator can set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where embedded databases, tables, files and keys lie.
    pub data_dir: PathBuf,
    /// `development` or `production`; production refuses missing secrets and test switches.
    pub environment: Environment,
    /// Where plain HTTP is served; `off` = nowhere. Beyond loopback it needs a trusted proxy.
    pub http: Listen,
    /// Where HTTPS is served; `off` = nowhere.
    pub https: Listen,
    /// Proxies whose `x-forwarded-proto` and `x-forwarded-for` are believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Names and addresses in the HTTPS certificate that is made at first start.
    pub tls_names: Vec<String>,
    /// The keys of all parts; `<data_dir>/secrets.toml` if not set.
    pub secrets_file: Option<PathBuf>,
    /// Where tables and files are kept; `<data_dir>` if not set.
    pub object_store_url: Option<String>,
    /// The largest upload, in bytes.
    pub upload_bytes: u64,
    /// What an upload may become when it is unpacked, in bytes: gzip on the local disk, Parquet in rows.
    pub unpacked_bytes: u64,
    /// The largest JSON body, in bytes.
    pub body_bytes: usize,
    /// Whether an acknowledged write survives power loss (`full`) or only a crash (`fast`).
    pub durability: Durability,
    /// Whether a signed write that comes again has a second effect.
    pub replay: Replay,
    /// Hosts with ports that connections and fetches of users may reach although private: `host:port,host:port`.
    pub fetch_allow: String,
    /// A file with milliseconds to add to the clock, for tests; refused in production.
    pub clock_offset_file: Option<PathBuf>,
    /// What is logged: `info`, `warn,madang=debug`, ….
    pub log: String,
    /// The gateway.
    pub gateway: GatewayConfig,
    /// The catalogue service.
    pub catalog: ServiceConfig,
    /// The pipeline service.
    pub pipeline: PipelineConfig,
    /// The Spec Store.
    pub spec_store: SpecStoreConfig,
    /// The survey service.
    pub survey: SurveyConfig,
    /// Lifetimes of D.Hub tokens.
    pub tokens: TokenConfig,
    /// Limits on password logins.
    pub logins: LoginConfig,
    /// A JSON file with further options of CKAN's face, over those of `ckan`.
    pub ckan_config: Option<PathBuf>,
    /// Options of CKAN's face by CKAN's own names (docs/ckan.md).
    pub ckan: BTreeMap<String, serde_json::Value>,
}

/// What the gateway alone needs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// `sqlite:<path>` or `postgres://…`; a file in the data folder if not set.
    pub database_url: Option<String>,
    /// Signed requests a second to one API from all callers together; 0 = no limit.
    pub throttle_per_second: u32,
}

/// What each service behind the gateway needs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// `sqlite:<path>` or `postgres://…`; a file in the data folder if not set.
    pub database_url: Option<String>,
    /// Where `madang serve` listens.
    pub listen: Option<SocketAddr>,
    /// Where others reach it.
    pub url: Option<String>,
}

/// What the pipeline service needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineConfig {
    /// `sqlite:<path>` or `postgres://…`; a file in the data folder if not set.
    pub database_url: Option<String>,
    /// Where `madang serve` listens.
    pub listen: Option<SocketAddr>,
    /// Where others reach it.
    pub url: Option<String>,
    /// Runs that one process works on at the same time.
    pub workers: usize,
    /// Runs of one user that are worked on at the same time, in all processes together; 0 = one less than `workers`, at least one.
    pub runs_per_user: usize,
    /// Runs of one space that are worked on at the same time, in all processes together; 0 = no limit.
    pub runs_per_space: usize,
    /// Of Data Flow's runs whose condition names none: the role that they say they act as.
    pub nrn: String,
    /// The same for `<bucket>/<prefix>/` of scripts.
    pub script_path: String,
    /// The same for `<bucket>/<prefix>/` of logs.
    pub log_path: String,
    /// Of a hundred values that a job reads, so many may be unreadable before it fails; 100 = all.
    pub bad_percent: u8,
    /// The command that runs Python codes, words parted by blanks; not set = Python steps fail.
    pub python: Option<String>,
    /// Seconds that one Python step may take.
    pub python_seconds: u32,
    /// Bytes of memory that one Python step may have.
    pub python_bytes: u64,
    /// Flows of the Spec Store that one process works on at the same time.
    pub flow_workers: usize,
    /// Flows of one owner that are worked on at the same time, in all processes together.
    pub flows_per_owner: usize,
    /// Bytes of one source of a flow.
    pub flow_source_bytes: u64,
    /// Bytes of all files of one flow together: its sources, and what is made of them.
    pub flow_bytes: u64,
    /// Rows of one table of a flow.
    pub flow_rows: u64,
    /// Seconds that one flow may take.
    pub flow_seconds: u32,
}

/// What the Spec Store needs: its service, and its face in the gateway (spec-store.md).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecStoreConfig {
    /// `sqlite:<path>` or `postgres://…`; a file in the data folder if not set.
    pub database_url: Option<String>,
    /// Where `madang serve` listens.
    pub listen: Option<SocketAddr>,
    /// Where others reach it.
    pub url: Option<String>,
    /// `host[:port]` of the server that issues tokens; empty = the hub itself does.
    pub auth_server: String,
    /// Who works on what was planned.
    pub execution: Execution,
    /// What `/source/update` must show as `Authorization: Bearer …`; empty = anybody may report.
    #[serde(serialize_with = "hide")]
    pub update_secret: SecretString,
    /// Whether everybody reads every revision as it was uploaded, private ones too, as the original did.
    pub open_info: bool,
    /// Seconds without news after which an open revision fails.
    pub stale_seconds: u32,
}

/// Who works on the flows of the Spec Store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Execution {
    /// The hub: it fetches, derives and publishes.
    Internal,
    /// Somebody else, who reports to `/source/update`; nothing is fetched or published here.
    External,
}

/// What the survey service needs, and its face in the gateway (dataspace.md).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SurveyConfig {
    /// `sqlite:<path>` or `postgres://…`; a file in the data folder if not set.
    pub database_url: Option<String>,
    /// Where `madang serve` listens.
    pub listen: Option<SocketAddr>,
    /// Where others reach it.
    pub url: Option<String>,
    /// Responses that one survey takes, over all of its groups.
    pub responses: u32,
    /// Panels of one space.
    pub panels: u32,
    /// Requests a second of one space to `/v1`; 0 = no limit.
    pub space_rate: u32,
    /// Requests a second of one address to `/r`; 0 = no limit.
    pub respondent_rate: u32,
    /// What links to respondents begin with: `https://{domain}.example`, where `{domain}` is the space's own; empty = the site's address.
    pub link_url: String,
}

impl Default for SurveyConfig {
    fn default() -> Self {
        Self {
            database_url: None,
            listen: None,
            url: None,
            responses: 200_000,
            panels: 50_000,
            space_rate: 0,
            respondent_rate: 0,
            link_url: String::new(),
        }
    }
}

/// Lifetimes of D.Hub tokens (dhub.md section 3).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// Of an access token, in seconds.
    pub access_seconds: u32,
    /// Of a refresh token, in seconds.
    pub refresh_seconds: u32,
}

/// Limits on password logins: more failures than this for one name from one address must wait.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginConfig {
    /// Failures within the window.
    pub failures: u32,
    /// The window, in seconds.
    pub window_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            environment: Environment::Development,
            http: Listen::At(SocketAddr::from(([127, 0, 0, 1], 8080))),
            https: Listen::At(SocketAddr::from(([127, 0, 0, 1], 8443))),
            trusted_proxies: Vec::new(),
            tls_names: vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()],
            secrets_file: None,
            object_store_url: None,
            upload_bytes: 2_684_354_560,
            unpacked_bytes: 10 << 30,
            body_bytes: 1 << 20,
            durability: Durability::Full,
            replay: Replay::On,
            fetch_allow: String::new(),
            clock_offset_file: None,
            log: DEFAULT_FILTER.to_owned(),
            gateway: GatewayConfig::default(),
            catalog: ServiceConfig::default(),
            pipeline: PipelineConfig {
                database_url: None,
                listen: None,
                url: None,
                workers: 4,
                runs_per_user: 0,
                runs_per_space: 0,
                nrn: "nrn:PUB:IAM::0:Role/madang".to_owned(),
                script_path: "madang/scripts/".to_owned(),
                log_path: "madang/logs/".to_owned(),
                bad_percent: 100,
                python: None,
                python_seconds: 600,
                python_bytes: 1 << 30,
                flow_workers: 3,
                flows_per_owner: 2,
                flow_source_bytes: 5 << 30,
                flow_bytes: 50 << 30,
                flow_rows: 1_000_000_000,
                flow_seconds: 6 * 3600,
            },
            spec_store: SpecStoreConfig {
                database_url: None,
                listen: None,
                url: None,
                auth_server: String::new(),
                execution: Execution::Internal,
                update_secret: SecretString::default(),
                open_info: false,
                stale_seconds: 24 * 3600,
            },
            survey: SurveyConfig::default(),
            tokens: TokenConfig { access_seconds: 30 * 60, refresh_seconds: 7 * 24 * 3600 },
            logins: LoginConfig { failures: 10, window_seconds: 300 },
            ckan_config: None,
            ckan: BTreeMap::new(),
        }
    }
}

/// How strict start-up is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Makes what is missing.
    Development,
    /// Refuses what is missing.
    Production,
}

/// What happens to a signed write that comes again (dataflow.md 1.3, rule 13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Replay {
    /// The same request gets the first answer; the same signature with another body is executed.
    On,
    /// As `on`, but the same signature with another body is refused, as a wrong signature is. Requests that write nothing, uploads, whose
    /// bodies are streamed, and sessions (`/auth/…`) are as with `on`.
    Strict,
    /// Nothing is remembered.
    Off,
}

/// An address to listen at, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Listen {
    /// Nowhere.
    Off,
    /// Here; port 0 picks a free one.
    At(SocketAddr),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse().map(Self::At).map_err(|_| format!("'{text}' is neither an address such as 127.0.0.1:8080 nor 'off'"))
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> Self {
        match listen {
            Listen::Off => "off".to_owned(),
            Listen::At(address) => address.to_string(),
        }
    }
}

/// A configuration that can't be used; the text names the key, its origin and the rule.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub struct Error(String);

/// Configuration with the origin of each value.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    figment: Figment,
}

/// One line of `madang config`.
#[derive(Clone, Debug)]
pub struct Setting {
    /// `catalog.database_url`.
    pub key: String,
    /// The value; passwords in URLs are masked.
    pub value: String,
    /// `default`, `madang.toml`, `environment` or `flag`.
    pub origin: String,
}

impl Loaded {
    /// Reads configuration. `flags` holds what the command line set, by dotted key.
    pub fn load(file: Option<&Path>, flags: &[(&str, String)]) -> Result<Self, Error> {
        let mut figment = Figment::from(Serialized::defaults(Config::default()));
        if let Some(path) = file {
            figment = figment.merge(Toml::file_exact(path));
        }
        figment = figment.merge(aliases()).merge(environment());
        for (key, value) in flags {
            figment = figment.merge(Serialized::default(key, value));
        }
        let mut config: Config = figment.extract().map_err(|error| Error(error.to_string()))?;
        config.read_ckan()?;
        config.check()?;
        Ok(Self { config, figment })
    }

    /// Every setting with its origin, in a stable order.
    pub fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        for key in known_keys() {
            let Ok(value) = self.figment.find_value(&key) else { continue };
            let origin = self.figment.find_metadata(&key).map_or("default", |metadata| origin(&metadata.name));
            let value = if key.ends_with("_secret") { hidden(&value) } else { printable(&value) };
            settings.push(Setting { value, origin: origin.to_owned(), key });
        }
        settings
    }
}

impl Config {
    /// Adds the options of the file that `ckan_config` names.
    fn read_ckan(&mut self) -> Result<(), Error> {
        let Some(path) = &self.ckan_config else { return Ok(()) };
        let wrong = |reason: String| Error(format!("ckan_config: {}: {reason}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let options: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        self.ckan.extend(options);
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        if self.environment == Environment::Production && self.clock_offset_file.is_some() {
            return Err(Error("clock_offset_file is for tests and refused in production".to_owned()));
        }
        let plain_everywhere = matches!(self.http, Listen::At(address) if !address.ip().is_loopback()) && self.trusted_proxies.is_empty();
        if plain_everywhere {
            return Err(Error("http listens beyond loopback; name the proxy in front of it in trusted_proxies".to_owned()));
        }
        if self.object_store_url.as_deref().is_some_and(|url| !url.starts_with("file:") && !url.starts_with("s3:")) {
            return Err(Error("object_store_url must begin with file: or s3:".to_owned()));
        }
        if let Err(entry) = FetchAllow::parse(&self.fetch_allow) {
            return Err(Error(format!("fetch_allow: '{entry}' is not host:port")));
        }
        let server = &self.spec_store.auth_server;
        if !server.is_empty() && server.parse::<http::uri::Authority>().is_err() {
            return Err(Error("spec_store.auth_server must be host or host:port".to_owned()));
        }
        if self.spec_store.stale_seconds == 0 {
            return Err(Error("spec_store.stale_seconds must be at least 1".to_owned()));
        }
        for (name, workers) in [("workers", self.pipeline.workers), ("flow_workers", self.pipeline.flow_workers)] {
            if workers == 0 || workers > MAX_WORKERS {
                return Err(Error(format!("pipeline.{name} must be 1 to {MAX_WORKERS}")));
            }
        }
        Ok(())
    }

    /// Where the keys of all parts lie.
    pub fn secrets_path(&self) -> PathBuf {
        self.secrets_file.clone().unwrap_or_else(|| self.data_dir.join("secrets.toml"))
    }

    /// The database of a part: what is set, or a file in the data folder.
    pub fn database_url(&self, set: Option<&String>, name: &str) -> String {
        set.cloned().unwrap_or_else(|| format!("sqlite:{}", self.data_dir.join(format!("{name}.db")).display()))
    }
}

/// The variables that name a key; `MADANG_TEST_…` and other tools' variables are none.
fn environment() -> Env {
    let known = known_keys();
    Env::prefixed(PREFIX).map(|name| dotted(name.as_str()).into()).filter(move |name| known.iter().any(|key| key == name.as_str()))
}

/// The variables by which other programs know a setting.
fn aliases() -> Env {
    Env::raw().only(&ALIASES.map(|(variable, _)| variable)).map(|name| {
        let key = ALIASES.iter().find(|(variable, _)| name.as_str().eq_ignore_ascii_case(variable)).map_or("", |(_, key)| key);
        key.into()
    })
}

fn dotted(variable: &str) -> String {
    let name = variable.to_ascii_lowercase();
    let section = SECTIONS.iter().find_map(|section| Some((section, name.strip_prefix(section)?.strip_prefix('_')?)));
    section.map_or_else(|| name.clone(), |(section, key)| format!("{section}.{key}"))
}

fn known_keys() -> Vec<String> {
    let Ok(Value::Dict(_, root)) = Value::serialize(Config::default()) else { return Vec::new() };
    let mut keys = Vec::new();
    collect(&root, "", &mut keys);
    keys
}

fn collect(dict: &Dict, prefix: &str, keys: &mut Vec<String>) {
    for (name, value) in dict {
        match value {
            Value::Dict(_, inner) => collect(inner, &format!("{prefix}{name}."), keys),
            _ => keys.push(format!("{prefix}{name}")),
        }
    }
}

fn origin(name: &str) -> &str {
    if name.contains("TOML") {
        "file"
    } else if name.contains("environment") {
        "environment"
    } else if name.contains("Config") {
        "default"
    } else {
        "flag"
    }
}

/// A secret is told from no secret, and that is all.
fn hidden(value: &Value) -> String {
    if value.as_str().is_none_or(str::is_empty) { "(empty)".to_owned() } else { "***".to_owned() }
}

fn hide<S: serde::Serializer>(_: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("")
}

fn printable(value: &Value) -> String {
    match value {
        Value::String(_, text) if text.is_empty() => "(empty)".to_owned(),
        Value::String(_, text) => masked(text),
        Value::Empty(..) => "(not set)".to_owned(),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

/// A URL with its password hidden, wherever it stands; any other text as it is.
fn masked(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (address, query) = rest.split_once('?').map_or((rest, None), |(address, query)| (address, Some(query)));
    let authority_end = address.find('/').unwrap_or(address.len());
    let address = match address[..authority_end].rfind('@') {
        None => address.to_owned(),
        Some(at) => format!("{}:***{}", address[..at].split(':').next().unwrap_or_default(), &address[at..]),
    };
    let masked_pair = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().contains("pass") => format!("{name}=***"),
        _ => pair.to_owned(),
    };
    let query = query.map(|query| format!("?{}", query.split('&').map(masked_pair).collect::<Vec<_>>().join("&")));
    format!("{scheme}://{address}{}", query.unwrap_or_default())
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<28} {:<44} {}", self.key, self.value, self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_find_their_section() {
        assert_eq!(dotted("CATALOG_DATABASE_URL"), "catalog.database_url");
        assert_eq!(dotted("UPLOAD_BYTES"), "upload_bytes");
        assert_eq!(dotted("TOKENS_ACCESS_SECONDS"), "tokens.access_seconds");
    }

    #[test]
    fn flags_win_and_are_named_as_origin() {
        let loaded = Loaded::load(None, &[("http", "127.0.0.1:0".to_owned())]).expect("valid");
        assert_eq!(loaded.config.http, Listen::At(SocketAddr::from(([127, 0, 0, 1], 0))));
        let origin = |key: &str| loaded.settings().into_iter().find(|setting| setting.key == key).expect("known").origin;
        assert_eq!((origin("http").as_str(), origin("https").as_str()), ("flag", "default"));
    }

    #[test]
    fn wrong_values_name_their_key() {
        for (key, value) in [("http", "everywhere"), ("http", "0.0.0.0:80"), ("object_store_url", "ftp://x")] {
            let error = Loaded::load(None, &[(key, value.to_owned())]).expect_err(value);
            assert!(error.to_string().contains(key), "{error}");
        }
    }

    #[test]
    fn passwords_are_masked() {
        assert_eq!(masked("postgres://hub:p@ss@db/x"), "postgres://hub:***@db/x");
        assert_eq!(masked("postgresql://db/hub?user=hub&password=hunter2"), "postgresql://db/hub?user=hub&password=***");
        assert_eq!(masked("postgres://db/hub"), "postgres://db/hub");
        assert_eq!(masked("sqlite:data/gateway.db"), "sqlite:data/gateway.db");
    }
}
