//! Scripts of codes, in the versions that the run was started with.

use std::collections::HashMap;

use madang_kit::{Code, Db, Error, Id, Result};
use madang_proto::pipeline::v1::{Code as CodeMessage, CodeKind};
use prost::Message;

use crate::{
    plan::{Plan, Work},
    store::script,
};

/// A script as a step runs it.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    /// One SELECT.
    Sql(String),
    /// A module with a function `run`.
    Python(String),
}

/// The scripts of a plan.
#[derive(Debug, Default)]
pub(crate) struct Scripts(HashMap<(Id, i64), Script>);

/// A script that ended with an exception; the stack of it.
#[derive(Debug, thiserror::Error)]
#[error("a script raised an exception")]
pub(crate) struct Raised {
    pub(crate) stack: String,
}

/// Loads every script of a plan.
pub(crate) async fn load(db: &Db, plan: &Plan) -> Result<Scripts> {
    let wanted = plan.steps.iter().filter_map(|step| match &step.work {
        Work::Script { code, version: Some(version), .. } => Some((*code, *version)),
        _ => None,
    });
    let (codes, versions): (Vec<Id>, Vec<i64>) = wanted.unzip();
    if codes.is_empty() {
        return Ok(Scripts::default());
    }
    let mut scripts = HashMap::new();
    for found in script::of_versions(db, &codes, &versions).await? {
        let code: Id = found.code_id.parse().map_err(Error::internal)?;
        scripts.insert((code, found.version), read(&found)?);
    }
    Ok(Scripts(scripts))
}

/// A stored script with its code's kind.
pub(crate) fn read(found: &script::Found) -> Result<Script> {
    let code = CodeMessage::decode(found.body.as_slice()).map_err(Error::internal)?;
    Ok(if code.kind() == CodeKind::Python { Script::Python(found.text.clone()) } else { Script::Sql(found.text.clone()) })
}

impl Scripts {
    /// The script of a step.
    pub(super) fn get(&self, code: Id, version: Option<i64>) -> Result<&Script> {
        let found = version.and_then(|version| self.0.get(&(code, version)));
        found.ok_or_else(|| Error::new(Code::Invalid, format!("the script of '{}' is not there", code.prefixed("code"))))
    }
}
