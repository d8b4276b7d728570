//! Logs and metrics of a process.
//!
//! Logs go to standard error: readable lines in development, JSON in production. `MADANG_LOG` filters them (default `info`).

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::Environment;

/// Starts logging; a second call is ignored.
pub fn start_logging(filter: &str, environment: Environment) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
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
