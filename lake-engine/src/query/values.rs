//! Values that a statement waits for under a name: `$since`.

use std::{collections::HashMap, ops::ControlFlow};

use datafusion::{
    common::{ParamValues, ScalarValue, metadata::ScalarAndMetadata},
    sql::{
        parser::Statement,
        sqlparser::ast::{Expr, Statement as SqlStatement, Value as SqlValue, Visit, Visitor},
    },
};
use madang_lake::{Error, Result};
use serde_json::Value;

/// The values as the engine takes them.
pub(super) fn bind(values: &HashMap<String, Value>) -> Result<ParamValues> {
    let bound = values.iter().map(|(name, value)| Ok((name.clone(), ScalarAndMetadata::from(scalar(name, value)?))));
    Ok(ParamValues::Map(bound.collect::<Result<_>>()?))
}

fn scalar(name: &str, value: &Value) -> Result<ScalarValue> {
    Ok(match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(value) => ScalarValue::from(*value),
        Value::String(text) => ScalarValue::from(text.as_str()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => ScalarValue::from(whole),
            (None, Some(float)) => ScalarValue::from(float),
            (None, None) => return Err(Error::invalid(format!("the value of '${name}' is out of range"))),
        },
        Value::Array(_) | Value::Object(_) => {
            return Err(Error::invalid(format!("the value of '${name}' must be a text, a number or a truth")));
        }
    })
}

/// The names, each once, as they first stand.
pub(super) fn names(statement: &Statement) -> Vec<String> {
    let mut found = Names::default();
    if let Statement::Statement(statement) = statement
        && let SqlStatement::Query(query) = statement.as_ref()
    {
        let _ = query.visit(&mut found);
    }
    found.0
}

#[derive(Default)]
struct Names(Vec<String>);

impl Visitor for Names {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if let Expr::Value(value) = expression
            && let SqlValue::Placeholder(name) = &value.value
        {
            let name = name.trim_start_matches('$').to_owned();
            if !self.0.contains(&name) {
                self.0.push(name);
            }
        }
        ControlFlow::Continue(())
    }
}
