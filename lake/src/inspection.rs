//! What is in an uploaded file, and in several of them together.

use std::collections::BTreeSet;

use crate::{Column, ColumnType, Schema};

/// What [`crate::Lake::inspect`] found by reading a whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Columns in file order with the narrowest type that holds every cell.
    pub schema: Schema,
    /// Data rows.
    pub rows: u64,
    /// Names of the integer columns with a cell that no double holds exactly (beyond 2^53).
    pub wide: BTreeSet<String>,
    /// Names of the columns without any filled cell. They are of type string, but every other type would do.
    pub empty: BTreeSet<String>,
}

impl Inspection {
    /// What both files hold together: for each column the narrowest type of the cells of both, as if one file had them
    /// all. Columns keep the order of the first; a column that one of them lacks is nullable.
    ///
    /// Integers and doubles become doubles unless an integer is too wide for that; then, as for all other types that
    /// differ, text holds both. A column that is empty in one file takes the type of the other.
    #[must_use]
    pub fn unify(self, other: Self) -> Self {
        let empty = self.empty.union(&other.empty).filter(|name| !self.fills(name) && !other.fills(name)).cloned().collect();
        let mut columns: Vec<Column> = self.schema.columns.iter().map(|column| self.column_with(column, &other)).collect();
        let added = other.schema.columns.into_iter().filter(|column| self.schema.column(&column.name).is_none());
        columns.extend(added.map(|column| Column { nullable: true, ..column }));
        let schema = Schema { columns };
        let is_integer = |name: &&String| schema.column(name).is_some_and(|column| column.kind == ColumnType::Int64);
        let wide = self.wide.union(&other.wide).filter(is_integer).cloned().collect();
        Self { rows: self.rows + other.rows, wide, empty, schema }
    }

    /// A column of this file, together with what the other one has under its name.
    fn column_with(&self, column: &Column, other: &Self) -> Column {
        let name = &column.name;
        let Some(found) = other.schema.column(name) else { return Column { nullable: true, ..column.clone() } };
        let kind = match (column.kind, found.kind) {
            (kind, _) if other.empty.contains(name) => kind,
            (_, kind) if self.empty.contains(name) => kind,
            (one, two) if one == two => one,
            (ColumnType::Int64, ColumnType::Double) if !self.wide.contains(name) => ColumnType::Double,
            (ColumnType::Double, ColumnType::Int64) if !other.wide.contains(name) => ColumnType::Double,
            _ => ColumnType::String,
        };
        Column { name: name.clone(), kind, nullable: column.nullable || found.nullable }
    }

    fn fills(&self, name: &str) -> bool {
        self.schema.column(name).is_some() && !self.empty.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `!` marks a wide column, `-` an empty one.
    fn file(columns: &[(&str, ColumnType)]) -> Inspection {
        let plain = |name: &str| name.trim_end_matches(['!', '-']).to_owned();
        let marked = |mark: char| columns.iter().filter(|(name, _)| name.ends_with(mark)).map(|(name, _)| plain(name)).collect();
        let described = columns.iter().map(|(name, kind)| Column { name: plain(name), kind: *kind, nullable: name.ends_with('-') });
        Inspection { schema: Schema { columns: described.collect() }, rows: 1, wide: marked('!'), empty: marked('-') }
    }

    fn described(inspection: &Inspection) -> Vec<(String, ColumnType, bool)> {
        inspection.schema.columns.iter().map(|column| (column.name.clone(), column.kind, column.nullable)).collect()
    }

    #[test]
    fn types_widen_without_loss() {
        use ColumnType::{Bool, Date, Double, Int64, String};
        let cases = [
            (("a", Int64), ("a", Double), (Double, false)),
            (("a!", Int64), ("a", Double), (String, false)),
            (("a!", Int64), ("a", Int64), (Int64, false)),
            (("a", Int64), ("a", Date), (String, false)),
            (("a-", String), ("a", Bool), (Bool, true)),
            (("a-", String), ("a-", String), (String, true)),
        ];
        for (one, two, (kind, nullable)) in cases {
            for (first, second) in [(one, two), (two, one)] {
                let unified = file(&[first]).unify(file(&[second]));
                assert_eq!(described(&unified), [("a".to_owned(), kind, nullable)], "{first:?} {second:?}");
                assert_eq!(unified.rows, 2);
            }
        }
    }

    #[test]
    fn a_third_file_still_knows() {
        use ColumnType::{Double, Int64, String};
        let wide = file(&[("a!", Int64)]).unify(file(&[("a", Int64)])).unify(file(&[("a", Double)]));
        assert_eq!(wide.schema.columns[0].kind, String);
        let empty = file(&[("a-", String)]).unify(file(&[("a-", String)])).unify(file(&[("a", Double)]));
        assert_eq!((empty.schema.columns[0].kind, empty.empty.len()), (Double, 0));
    }

    #[test]
    fn lacking_columns_are_nullable() {
        use ColumnType::Int64;
        let unified = file(&[("a", Int64), ("b", Int64)]).unify(file(&[("c", Int64), ("b", Int64)]));
        let wanted = [("a", true), ("b", false), ("c", true)].map(|(name, nullable)| (name.to_owned(), Int64, nullable));
        assert_eq!(described(&unified), wanted);
    }
}
