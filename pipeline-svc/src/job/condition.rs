//! Run conditions (dataflow.md 3.1): what an execution is told, what its job keeps, what the installation says.

use madang_kit::{Error, Result, config::PipelineConfig};
use madang_proto::pipeline::v1::RunCondition;

/// Minutes that a run may take unless it says less, and at most.
pub(crate) const TIMEOUT: u32 = 360;
const MAX_TIMEOUT: u32 = 1_440;
/// Workers of a run.
const WORKERS: u32 = 2;
const MAX_WORKERS: u32 = 10;
const WORKER_TYPES: [&str; 2] = ["DEFAULT", "DATAFLOW"];
/// Characters of a role or a path.
const MAX_TEXT: usize = 1_000;
/// Values of a script.
const MAX_PARAMETERS: usize = 100;

/// What the installation says where nobody else does; an empty text says nothing.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    nrn: Option<String>,
    script_path: Option<String>,
    log_path: Option<String>,
}

impl Defaults {
    pub(crate) fn new(config: &PipelineConfig) -> Self {
        let filled = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Self { nrn: filled(&config.nrn), script_path: filled(&config.script_path), log_path: filled(&config.log_path) }
    }
}

/// Refuses values that are out of bounds; `at` is the condition's path.
pub(crate) fn checked(at: &str, condition: RunCondition) -> Result<RunCondition> {
    let wrong = |name: &str, rule: &str, why: String| Err(Error::invalid(format!("{at}.{name}"), rule, format!("{at}.{name} {why}")));
    if condition.worker_type.as_ref().is_some_and(|kind| !WORKER_TYPES.contains(&kind.as_str())) {
        return wrong("workerType", "choice", "must be DEFAULT or DATAFLOW".to_owned());
    }
    if condition.num_worker.is_some_and(|number| !(WORKERS..=MAX_WORKERS).contains(&number)) {
        return wrong("numWorker", "range", format!("must be {WORKERS} to {MAX_WORKERS}"));
    }
    if condition.timeout.is_some_and(|minutes| minutes > MAX_TIMEOUT) {
        return wrong("timeout", "range", format!("must be 0 to {MAX_TIMEOUT} minutes"));
    }
    if condition.nrn.as_ref().is_some_and(|nrn| !is_plain(nrn) || !nrn.starts_with("nrn:")) {
        return wrong("nrn", "pattern", "must read like nrn:PUB:IAM::100:Role/<id>".to_owned());
    }
    for (name, path) in [("scriptPath", &condition.script_path), ("logPath", &condition.log_path)] {
        if path.as_ref().is_some_and(|path| !is_plain(path) || !path.contains('/') || path.starts_with('/')) {
            return wrong(name, "pattern", "must read like <bucket>/<prefix>/".to_owned());
        }
    }
    let parameters = &condition.parameters;
    if parameters.len() > MAX_PARAMETERS || parameters.iter().any(|(name, value)| !is_plain(name) || value.contains('\0')) {
        return wrong("parameters", "too_many", format!("has at most {MAX_PARAMETERS} entries, none with NUL"));
    }
    Ok(condition)
}

fn is_plain(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// The first condition, with what it lacks from the second.
pub(crate) fn over(first: RunCondition, second: RunCondition) -> RunCondition {
    RunCondition {
        worker_type: first.worker_type.or(second.worker_type),
        num_worker: first.num_worker.or(second.num_worker),
        timeout: first.timeout.or(second.timeout),
        nrn: first.nrn.or(second.nrn),
        script_path: first.script_path.or(second.script_path),
        log_path: first.log_path.or(second.log_path),
        parameters: if first.parameters.is_empty() { second.parameters } else { first.parameters },
    }
}

/// The condition as a job shows it.
pub(crate) fn shown(condition: RunCondition) -> RunCondition {
    over(condition, plain())
}

/// The condition of a run: nothing is missing.
pub(crate) fn effective(condition: RunCondition, defaults: &Defaults) -> Result<RunCondition> {
    let installed = RunCondition {
        nrn: defaults.nrn.clone(),
        script_path: defaults.script_path.clone(),
        log_path: defaults.log_path.clone(),
        ..plain()
    };
    let mut full = over(condition, installed);
    for (name, value) in [("nrn", &full.nrn), ("scriptPath", &full.script_path), ("logPath", &full.log_path)] {
        if value.is_none() {
            let field = format!("jobCondition.{name}");
            return Err(Error::invalid(
                &field,
                "missing",
                format!("{field} is given neither here nor with the job nor by the installation"),
            ));
        }
    }
    full.timeout = full.timeout.map(|minutes| if minutes == 0 { TIMEOUT } else { minutes });
    Ok(full)
}

fn plain() -> RunCondition {
    RunCondition { worker_type: Some("DEFAULT".to_owned()), num_worker: Some(WORKERS), timeout: Some(TIMEOUT), ..RunCondition::default() }
}
