//! Where rows of the tail stand among those of the units, and which of these no longer count.

use arrow::{array::AsArray, datatypes::Int64Type};
use madang_lake::Result;

use super::{Match, Row, Scan};
use crate::{read::Unit, storage};

/// The places of a tail's rows.
#[derive(Debug, Default)]
pub(super) struct Places {
    units: usize,
    /// For each row of the tail, the row before which it stands, ascending.
    above: Vec<Row>,
    /// For each unit, the places of its rows that no longer count, ascending.
    masked: Vec<Vec<usize>>,
}

impl Places {
    /// Looks at the ids of those units alone that the tail touches.
    pub(super) async fn of(scan: &Scan<'_>, units: &[Unit]) -> Result<Self> {
        let mut places = Self { units: units.len(), ..Self::default() };
        let Some(tail) = &scan.snapshot.tail else { return Ok(places) };
        let (above, masked) = (tail.ids(), tail.masked.as_slice());
        let (mut next_above, mut next_masked) = (0, 0);
        for (at, unit) in units.iter().enumerate() {
            let before = above.partition_point(|id| *id < unit.first);
            let through = above.partition_point(|id| *id <= unit.last);
            let end = masked.partition_point(|id| *id <= unit.last);
            places.above.extend((next_above..before).map(|_| (at, 0)));
            let (inside, gone) = (above.get(before.max(next_above)..through), masked.get(next_masked..end).unwrap_or_default());
            let inside = inside.unwrap_or_default();
            let mut out = Vec::new();
            if !inside.is_empty() || !gone.is_empty() {
                let ids = scan.columns.ids(unit).await?;
                let ids = ids.as_primitive_opt::<Int64Type>().ok_or_else(|| storage("rows without their ids"))?.values();
                places.above.extend(inside.iter().map(|id| (at, ids.partition_point(|known| known < id))));
                for id in gone {
                    out.push(ids.binary_search(id).map_err(|_| storage(format!("row {id} is in none of the files")))?);
                }
            }
            places.masked.push(out);
            (next_above, next_masked) = (through.max(next_above), end);
        }
        places.above.extend((next_above..above.len()).map(|_| (units.len(), 0)));
        Ok(places)
    }

    /// The rows of a unit that no longer count.
    pub(super) fn masked_in(&self, unit: usize) -> &[usize] {
        self.masked.get(unit).map_or(&[], Vec::as_slice)
    }

    /// Those of some rows of the tail that stand in a unit, or behind all units, each with the row before which it stands.
    pub(super) fn in_unit<'a>(&self, unit: usize, above: &'a [Match]) -> Vec<(usize, &'a Match)> {
        let start = above.partition_point(|found| self.place(found).0 < unit);
        let rest = above.get(start..).unwrap_or_default();
        rest.iter()
            .map(|found| (self.place(found), found))
            .take_while(|(place, _)| place.0 == unit)
            .map(|(place, found)| (place.1, found))
            .collect()
    }

    fn place(&self, found: &Match) -> Row {
        self.above.get(found.row.1).copied().unwrap_or((self.units, 0))
    }

    /// Rows of one unit and of the tail in the order of their ids.
    pub(super) fn merged<'a>(&self, below: Vec<Match>, above: Vec<(usize, &'a Match)>) -> impl Iterator<Item = Match> + use<'a> {
        let units = self.units;
        let mut below = below.into_iter().peekable();
        let mut above = above.into_iter().peekable();
        std::iter::from_fn(move || {
            let first = match (below.peek(), above.peek()) {
                (Some(row), Some((place, _))) => *place <= row.row.1,
                (None, Some(_)) => true,
                (_, None) => false,
            };
            if first {
                above.next().map(|(_, found)| Match { row: (units, found.row.1), ranks: found.ranks.clone() })
            } else {
                below.next()
            }
        })
    }
}
