//! Joins that can be stopped.
//!
//! A join of small tables can compute for years: it reads little, and the engine pauses only where it reads. Here each
//! join pauses as it gives out batches, and its condition, which is looked at for every few thousand pairs of rows,
//! fails once the query is given up.

use std::{
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use datafusion::{
    arrow::datatypes::DataType,
    common::{
        Result, exec_err,
        tree_node::{Transformed, TransformedResult, TreeNode},
    },
    logical_expr::{ColumnarValue, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
    physical_plan::{ExecutionPlan, coop::CooperativeExec},
};

/// Set once nobody waits for the query any more.
#[derive(Clone, Debug, Default)]
pub(super) struct GivenUp(Arc<AtomicBool>);

impl GivenUp {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Puts the flag into the conditions of all joins. For a plan that is optimized already.
pub(super) fn watch_conditions(plan: LogicalPlan, given_up: &GivenUp) -> Result<LogicalPlan> {
    let watch = ScalarUDF::from(Watch { given_up: given_up.clone(), signature: Signature::any(1, Volatility::Volatile) });
    let watched = plan.transform_up_with_subqueries(|plan| match plan {
        LogicalPlan::Join(mut join) if join.filter.is_some() => {
            join.filter = join.filter.take().map(|condition| watch.call(vec![condition]));
            Ok(Transformed::yes(LogicalPlan::Join(join)))
        }
        other => Ok(Transformed::no(other)),
    });
    watched.data()
}

/// Lets every join pause between batches.
pub(super) fn pause_joins(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let paused = plan.transform_up(|plan| {
        if plan.children().len() < 2 {
            return Ok(Transformed::no(plan));
        }
        Ok(Transformed::yes(Arc::new(CooperativeExec::new(plan)) as Arc<dyn ExecutionPlan>))
    });
    paused.data()
}

/// Gives its argument back, or fails.
#[derive(Debug)]
struct Watch {
    given_up: GivenUp,
    signature: Signature,
}

impl ScalarUDFImpl for Watch {
    fn name(&self) -> &'static str {
        "watch"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments.first().cloned().unwrap_or(DataType::Boolean))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.given_up.0.load(Ordering::Relaxed) {
            return exec_err!("the query was given up");
        }
        arguments.args.into_iter().next().map_or_else(|| exec_err!("watch needs its argument"), Ok)
    }
}

impl PartialEq for Watch {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.given_up.0, &other.given_up.0)
    }
}

impl Eq for Watch {}

impl Hash for Watch {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.given_up.0).hash(state);
    }
}
