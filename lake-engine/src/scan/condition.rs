//! Which rows of a unit meet a condition.

use std::collections::HashSet;

use arrow::{
    array::{Array, ArrayRef, BooleanArray, Scalar},
    buffer::BooleanBuffer,
    compute::kernels::cmp,
    row::{RowConverter, SortField},
};
use madang_lake::{ColumnType, Comparison, Condition, Error, ROW_ID, Result, Schema, array};
use serde_json::Value;

use crate::{read::Unit, storage};

/// As many cells are compared one after the other; more are looked up.
const FEW: usize = 8;

/// The rows of a unit that meet a condition.
#[derive(Debug)]
pub(super) struct Picked(BooleanBuffer);

impl Picked {
    /// Takes rows out.
    pub(super) fn leave_out(&mut self, rows: &[usize]) {
        if rows.is_empty() {
            return;
        }
        let mut left = rows.iter().copied().peekable();
        self.0 = BooleanBuffer::collect_bool(self.0.len(), |row| {
            let out = left.peek() == Some(&row);
            if out {
                left.next();
            }
            !out && self.0.value(row)
        });
    }

    /// Their places, ascending.
    pub(super) fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.set_indices()
    }

    pub(super) fn has(&self, row: usize) -> bool {
        row < self.0.len() && self.0.value(row)
    }
}

/// The columns that a condition needs, each once.
pub(super) fn columns(condition: &Condition) -> Vec<String> {
    let (mut names, mut open) = (Vec::new(), vec![condition]);
    while let Some(condition) = open.pop() {
        match condition {
            Condition::All(parts) | Condition::Any(parts) => open.extend(parts),
            Condition::Compare(name, ..) | Condition::In(name, _) => {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
    }
    names
}

/// Whether rows of a unit can meet a condition, as far as the ids tell.
pub(super) fn may_match(condition: &Condition, unit: &Unit) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().all(|part| may_match(part, unit)),
        Condition::Any(parts) => parts.iter().any(|part| may_match(part, unit)),
        Condition::Compare(name, how, cell) if name == ROW_ID => {
            let Some(id) = cell.as_i64() else { return true };
            match how {
                Comparison::Eq => (unit.first..=unit.last).contains(&id),
                Comparison::Gt => unit.last > id,
                Comparison::Gte => unit.last >= id,
                Comparison::Lt => unit.first < id,
                Comparison::Lte => unit.first <= id,
            }
        }
        Condition::In(name, cells) if name == ROW_ID => {
            cells.iter().any(|cell| cell.as_i64().is_none_or(|id| (unit.first..=unit.last).contains(&id)))
        }
        _ => true,
    }
}

/// The rows that meet a condition. `columns` are those of `names`.
pub(super) fn pick(condition: &Condition, names: &[String], columns: &[ArrayRef], schema: &Schema, rows: usize) -> Result<Picked> {
    let asking = Asking { names, columns, schema, rows };
    asking.pick(condition).map(Picked)
}

struct Asking<'a> {
    names: &'a [String],
    columns: &'a [ArrayRef],
    schema: &'a Schema,
    rows: usize,
}

impl Asking<'_> {
    fn pick(&self, condition: &Condition) -> Result<BooleanBuffer> {
        match condition {
            Condition::All(parts) => {
                let mut all: Option<BooleanBuffer> = None;
                for part in parts {
                    let next = self.pick(part)?;
                    all = Some(all.map_or_else(|| next.clone(), |all| &all & &next));
                }
                Ok(all.unwrap_or_else(|| BooleanBuffer::new_set(self.rows)))
            }
            Condition::Any(parts) => {
                let mut any = BooleanBuffer::new_unset(self.rows);
                for part in parts {
                    any = &any | &self.pick(part)?;
                }
                Ok(any)
            }
            Condition::Compare(name, how, cell) => self.compare(name, *how, cell),
            Condition::In(name, cells) if cells.len() <= FEW => {
                let mut any = BooleanBuffer::new_unset(self.rows);
                for cell in cells {
                    any = &any | &self.compare(name, Comparison::Eq, cell)?;
                }
                Ok(any)
            }
            Condition::In(name, cells) => self.among(name, cells),
        }
    }

    fn column(&self, name: &str) -> Result<(&ArrayRef, ColumnType)> {
        let kind = match self.schema.column(name) {
            Some(column) => column.kind,
            None if name == ROW_ID => ColumnType::Int64,
            None => return Err(Error::invalid(format!("the table has no column '{name}'"))),
        };
        let at = self.names.iter().position(|known| known == name);
        let column = at.and_then(|at| self.columns.get(at)).ok_or_else(|| storage("a column was not read"))?;
        Ok((column, kind))
    }

    fn compare(&self, name: &str, how: Comparison, cell: &Value) -> Result<BooleanBuffer> {
        let (column, kind) = self.column(name)?;
        if cell.is_null() {
            return Ok(BooleanBuffer::new_unset(self.rows));
        }
        let cell = Scalar::new(array(kind, std::iter::once(cell))?);
        let compared = match how {
            Comparison::Eq => cmp::eq(column, &cell),
            Comparison::Gt => cmp::gt(column, &cell),
            Comparison::Gte => cmp::gt_eq(column, &cell),
            Comparison::Lt => cmp::lt(column, &cell),
            Comparison::Lte => cmp::lt_eq(column, &cell),
        };
        Ok(is_true(&compared.map_err(storage)?))
    }

    fn among(&self, name: &str, cells: &[Value]) -> Result<BooleanBuffer> {
        let (column, kind) = self.column(name)?;
        let wanted = array(kind, cells.iter().filter(|cell| !cell.is_null()))?;
        let rows = RowConverter::new(vec![SortField::new(kind.arrow())]).map_err(storage)?;
        let wanted = rows.convert_columns(&[wanted]).map_err(storage)?;
        let mut known = HashSet::with_capacity(cells.len());
        for row in &wanted {
            known.insert(row.owned());
        }
        let found = rows.convert_columns(std::slice::from_ref(column)).map_err(storage)?;
        Ok(BooleanBuffer::collect_bool(self.rows, |row| !column.is_null(row) && known.contains(&found.row(row).owned())))
    }
}

/// The places that are true; neither false nor unknown ones.
fn is_true(compared: &BooleanArray) -> BooleanBuffer {
    match compared.nulls() {
        Some(nulls) if nulls.null_count() > 0 => compared.values() & nulls.inner(),
        _ => compared.values().clone(),
    }
}
