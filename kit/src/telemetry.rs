//! Logs and metrics of a process.
//!
//! Logs go to standard error: readable lines in development, JSON in production. `MADANG_LOG` filters them (default: our own `info`, libraries' `warn`).

use std::{io::IsTerminal, time::Duration};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::{
    Drain,
    config::{DEFAULT_FILTER, Environment},
    housekeeping,
};

const SUM_UP_EVERY: Duration = Duration::from_secs(5);

/// Starts logging; a second call is ignored.
pub fn start_logging(filter: &str, environment: Environment) {
    // The query engine logs literals of statements, which may be personal values; nobody may turn that on by accident.
    let filter = EnvFilter::try_new(format!("{filter},sqlparser=info,datafusion=info")).unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    let started = match environment {
        Environment::Development => lines.compact().try_init(),
        Environment::Production => lines.json().flatten_event(true).try_init(),
    };
    drop(started);
}

/// Starts counting and returns what prints the counts; `None` if another recorder is installed already. Until the process drains,
/// measured times are summed up now and then: otherwise they would pile up until somebody asks for the counts.
pub fn start_metrics(drain: &Drain) -> Option<PrometheusHandle> {
    let handle = PrometheusBuilder::new().install_recorder().ok()?;
    let summing = handle.clone();
    housekeeping::every(SUM_UP_EVERY, drain, "metrics not summed up yet", move || {
        summing.run_upkeep();
        async { Ok(()) }
    });
    Some(handle)
}
