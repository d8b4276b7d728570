//! Run conditions (dataflow.md 3.1).

use std::collections::HashMap;

use madang_proto::pipeline::v1::RunCondition;
use serde_json::{Map, Value};

use super::wire::Object;
use crate::dialect::fields::Fields;

/// Members of a condition, and values of a script.
const ENTRIES: usize = 100;
const MAX: u32 = 100_000;

/// Reads the member `jobCondition`, which may be absent.
pub(super) fn read(fields: &mut Fields) -> Option<RunCondition> {
    let mut inner = fields.inner("jobCondition", ENTRIES)?;
    let condition = RunCondition {
        worker_type: inner.optional_text("workerType"),
        num_worker: inner.optional_number("numWorker", 0, MAX), // bounds are the service's
        timeout: inner.optional_number("timeout", 0, MAX),
        nrn: inner.optional_text("nrn"),
        script_path: inner.optional_text("scriptPath"),
        log_path: inner.optional_text("logPath"),
        parameters: parameters(&mut inner),
    };
    fields.absorb(inner);
    Some(condition)
}

fn parameters(fields: &mut Fields) -> HashMap<String, String> {
    let mut texts = HashMap::new();
    for (name, value) in fields.object("parameters", ENTRIES) {
        match value {
            Value::String(text) => drop(texts.insert(name, text)),
            _ => fields.problem(&format!("parameters.{name}"), "string_type", "must be a string"),
        }
    }
    texts
}

/// A condition as JSON.
pub(super) fn write(condition: &RunCondition) -> Value {
    let parameters: Map<String, Value> = condition.parameters.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    Object::default()
        .maybe("workerType", condition.worker_type.clone())
        .maybe("numWorker", condition.num_worker)
        .maybe("timeout", condition.timeout)
        .maybe("nrn", condition.nrn.clone())
        .maybe("scriptPath", condition.script_path.clone())
        .maybe("logPath", condition.log_path.clone())
        .maybe("parameters", Some(parameters).filter(|parameters| !parameters.is_empty()))
        .done()
}
