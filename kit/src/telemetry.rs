//! Logs and metrics of a process.
//!
//! Logs go to standard error: readable lines in development, JSON in production. `MADANG_LOG` filters them (default: our own `info`, libraries' `warn`).

use std::io::IsTerminal;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::{DEFAULT_FILTER, Environment};

/// Starts logging; a second call is ignored.
pub fn start_logging(filter: &str, environment: Environment) {
    // The parser of statements logs literals, which may be personal values; nobody may turn that on by accident.
    let filter = EnvFilter::try_new(format!("{filter},sqlparser=info")).unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    let started = match environment {
        Environment::Development => lines.compact().try_init(),
        Environment::Production => lines.json().flatten_event(true).try_init(),
    };
    drop(started);
}

/// Starts counting and returns what prints the counts; `None` if another recorder is installed already.
pub fn start_metrics() -> Option<PrometheusHandle> {
    PrometheusBuilder::new().install_recorder().ok()
}
