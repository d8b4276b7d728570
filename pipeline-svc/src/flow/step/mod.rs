//! Steps after reading (spec-store.md 3.2): each is one SELECT of the query engine, or a cast.

mod ask;
mod parse;
mod types;

use madang_kit::Result;
use madang_lake::{Limits, Relation};
use madang_proto::pipeline::v1::FlowSource;

pub(super) use self::parse::check;
use self::parse::{Step, Work};
use super::{Flows, lake_error, table::read::Table};

/// Why a step can't be followed: the specification or the data is at fault.
type Wrong = String;

/// Follows the steps of a source. What is wrong is in the answer; an error is ours.
pub(super) async fn follow(flows: &Flows, source: &FlowSource, mut table: Table, limits: &Limits) -> Result<Table> {
    let steps = match parse::steps(&source.steps) {
        Ok(steps) => steps,
        Err(why) => {
            table.rows = give_up(flows, table.rows, why).await?;
            return Ok(table);
        }
    };
    for step in steps.iter().filter(|step| step.is_for(&source.name)) {
        let Ok(rows) = &table.rows else { break };
        let followed = one(flows, step, rows, &mut table.schema, limits).await?;
        let told = followed.map_err(|why| format!("{}: {why}", step.name()));
        table.rows = match told {
            Ok(next) => {
                flows.flow.forget(rows).await.map_err(lake_error)?;
                Ok(next)
            }
            Err(why) => give_up(flows, table.rows, why).await?,
        };
    }
    Ok(table)
}

async fn give_up(flows: &Flows, rows: std::result::Result<Relation, Wrong>, why: Wrong) -> Result<std::result::Result<Relation, Wrong>> {
    match rows {
        Ok(rows) => {
            flows.flow.forget(&rows).await.map_err(lake_error)?;
            Ok(Err(why))
        }
        Err(earlier) => Ok(Err(earlier)),
    }
}

async fn one(
    flows: &Flows,
    step: &Step,
    rows: &Relation,
    schema: &mut super::table::schema::TableSchema,
    limits: &Limits,
) -> Result<std::result::Result<Relation, Wrong>> {
    match &step.work {
        Work::SetTypes(types) => types::set(flows, rows, schema, types).await,
        work => ask::ask(flows, rows, schema, work, limits).await,
    }
}
