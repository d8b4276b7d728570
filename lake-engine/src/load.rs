//! Loading a file whose bad rows are set aside.

use madang_lake::{BadRows, Format, Limits, Load, Loaded, Result, RowIds, Schema, TableId};

use crate::{
    Engine,
    ingest::{self, lenient},
    storage, write,
};

/// If more than one row in so many fits no column, the columns become wider instead.
const MISFIT_ROWS_IN: u64 = 20;

/// Reads a file twice, or three times if its columns were chosen too narrow, and stages what is good of it.
pub(crate) async fn load(engine: &Engine, table: &TableId, load: &Load, limits: Limits, ids: &dyn RowIds) -> Result<Loaded> {
    if load.input.format == Format::Parquet {
        return parquet(engine, table, load, limits, ids).await;
    }
    let survey = lenient::survey(load, limits, &engine.scratch).await?;
    let (chosen, wide) = (survey.schema(&load.types, false), survey.schema(&load.types, true));
    chosen.check()?;
    let (loaded, outcome) = attempt(engine, table, load, &survey, chosen, limits, ids).await?;
    let rows = outcome.good + outcome.bad.count;
    let too_narrow = outcome.bad.misfits.saturating_mul(MISFIT_ROWS_IN) > rows && loaded.schema != wide;
    let (loaded, outcome) = if too_narrow {
        discard(engine, table, &loaded).await?;
        attempt(engine, table, load, &survey, wide, limits, ids).await?
    } else {
        (loaded, outcome)
    };
    if let Err(refused) = outcome.check() {
        discard(engine, table, &loaded).await?;
        return Err(refused);
    }
    Ok(loaded)
}

async fn attempt(
    engine: &Engine,
    table: &TableId,
    load: &Load,
    survey: &lenient::Survey,
    schema: Schema,
    limits: Limits,
    ids: &dyn RowIds,
) -> Result<(Loaded, lenient::Outcome)> {
    let lenient::Converting { batches, outcome } = survey.convert(&schema, limits, load.bad_rows.clone());
    let files = write::write(engine.target(table), &schema, batches, ids).await?;
    let columns = u32::try_from(schema.columns.len()).map_err(storage)?;
    let outcome = outcome.await.map_err(storage)?;
    let loaded = Loaded { schema, staged: madang_lake::Staged { files, columns }, bad: outcome.bad };
    Ok((loaded, outcome))
}

async fn discard(engine: &Engine, table: &TableId, loaded: &Loaded) -> Result<()> {
    let target = engine.target(table);
    for file in &loaded.staged.files {
        target.remove(file).await?;
    }
    Ok(())
}

/// A Parquet file says what its columns are, and none of its rows is bad by itself.
async fn parquet(engine: &Engine, table: &TableId, load: &Load, limits: Limits, ids: &dyn RowIds) -> Result<Loaded> {
    let schema = ingest::inspect(&load.input, limits, &engine.scratch).await?.schema.relaxed();
    schema.check()?;
    let ingest::Converting { batches, columns } = ingest::convert(&load.input, &schema, limits, &engine.scratch);
    let files = write::write(engine.target(table), &schema, batches, ids).await?;
    let columns = columns.await.map_err(storage)?;
    Ok(Loaded { schema, staged: madang_lake::Staged { files, columns }, bad: BadRows::default() })
}
