//! Rows of a source, cast and checked one after the other.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use arrow::{
    array::RecordBatch,
    datatypes::{Schema as ArrowSchema, SchemaRef},
};
use madang_kit::{Error, Result};
use madang_lake::{Record, Records};

use super::{
    cast::{Value, cast},
    column::Column,
    options::{Headers, Options},
    report::{Report, shown},
    schema::{Field, TableSchema},
};

/// Hashes of rows, values and keys of a table that are kept, all together, to find those that are there twice.
const MAX_HASHES: usize = 2_000_000;

/// The state of a pass.
#[derive(Default)]
pub(super) struct Casting {
    pub(super) schema: Arc<TableSchema>,
    pub(super) options: Option<Options>,
    pub(super) arrow: Option<SchemaRef>,
    pub(super) report: Report,
    /// Why there will be no rows.
    pub(super) failure: Option<String>,
    /// Fields whose integers are too large.
    pub(super) wide: Vec<usize>,
    /// Data rows so far.
    pub(super) rows: u64,
    pub(super) max_rows: u64,
    /// For each field the column of the file; known once the header was seen.
    pub(super) places: Option<Vec<Option<usize>>>,
    pub(super) width: usize,
    pub(super) hashers: Option<(RandomState, RandomState)>,
    pub(super) seen: HashMap<u128, u64>,
    pub(super) uniques: Vec<HashSet<u128>>,
    pub(super) keys: HashSet<u128>,
    /// Hashes that are kept.
    pub(super) kept: usize,
}

impl Casting {
    pub(super) fn new(schema: TableSchema, options: Options, arrow: SchemaRef, max_rows: u64) -> Self {
        let uniques = schema.fields.iter().map(|_| HashSet::new()).collect();
        let hashers = Some((RandomState::new(), RandomState::new()));
        Self { schema: Arc::new(schema), options: Some(options), arrow: Some(arrow), max_rows, hashers, uniques, ..Self::default() }
    }

    /// Casts some rows; none if nothing comes of them.
    pub(super) fn take(&mut self, records: &Records) -> Result<Option<RecordBatch>> {
        let Some(options) = self.options.take() else { return Ok(None) };
        let mut columns: Vec<Column> = self.schema.fields.iter().map(|field| Column::new(&field.kind)).collect();
        let mut good = 0;
        for record in records.iter() {
            if options.skips(record.number, record.cells().next().flatten()) {
                continue;
            }
            if self.places.is_none() {
                match &options.headers {
                    Headers::Row(row) if record.number < *row || (*row == 0 && record.is_empty()) => continue,
                    Headers::Row(_) => {
                        self.header(record.cells().map(|cell| cell.unwrap_or_default().trim().to_owned()).collect());
                        continue;
                    }
                    Headers::Named(names) => self.header(names.clone()),
                }
            }
            good += usize::from(self.row(&record, &mut columns));
        }
        self.options = Some(options);
        if good == 0 || self.failure.is_some() || !self.wide.is_empty() {
            return Ok(None);
        }
        let arrays = columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
        let arrow = self.arrow.clone().unwrap_or_else(|| Arc::new(ArrowSchema::empty()));
        RecordBatch::try_new(arrow, arrays).map(Some).map_err(Error::internal)
    }

    /// Compares the header with the fields.
    fn header(&mut self, headers: Vec<String>) {
        let schema = self.schema.clone();
        let mut first: HashMap<&str, usize> = HashMap::new();
        for (at, name) in headers.iter().enumerate() {
            let column = at + 1;
            if name.is_empty() {
                self.report.add("blank-header", format!("Header in column {column} is blank"), None, Some(column), None);
            } else if let Some(other) = first.get(name.as_str()) {
                let message = format!("Header in column {column} is duplicated to header in column(s) {other}");
                self.report.add("duplicate-header", message, None, Some(column), None);
            } else {
                first.insert(name, column);
            }
            match schema.fields.get(at) {
                None => self.report.add("extra-header", format!("There is an extra header in column {column}"), None, Some(column), None),
                Some(field) if field.name != *name => {
                    let message = format!("Header in column {column} doesn't match field name {} in the schema", field.name);
                    self.report.add("non-matching-header", message, None, Some(column), None);
                }
                Some(_) => {}
            }
        }
        for (at, field) in schema.fields.iter().enumerate().skip(headers.len()) {
            let message = format!("There is a missing header in column {}, field name \"{}\"", at + 1, field.name);
            self.report.add("missing-header", message, None, Some(at + 1), None);
        }
        let places: Vec<Option<usize>> = schema.fields.iter().map(|field| headers.iter().position(|name| *name == field.name)).collect();
        if let Some(at) = places.iter().position(Option::is_none) {
            let name = schema.fields.get(at).map(|field| field.name.as_str()).unwrap_or_default();
            self.failure.get_or_insert(format!("The field \"{name}\" of the schema is not in the header"));
        }
        self.width = headers.len();
        self.places = Some(places);
        self.report.headers = Some(headers);
    }

    /// Checks a row and adds it to the columns; false if it is none.
    fn row(&mut self, record: &Record<'_>, columns: &mut [Column]) -> bool {
        let number = record.number;
        self.rows += 1;
        if self.rows > self.max_rows {
            self.failure.get_or_insert(format!("The table has more than {} rows, which is the limit", self.max_rows));
            return false;
        }
        if record.is_empty() {
            self.report.add("blank-row", format!("Row {number} is completely blank"), Some(number), None, Some(record));
            return false;
        }
        self.shape(record);
        let cells: Vec<Option<&str>> = record.cells().collect();
        let (schema, places) = (self.schema.clone(), self.places.take().unwrap_or_default());
        let mut key = Vec::new();
        for (at, (place, field)) in places.iter().zip(&schema.fields).enumerate() {
            let text = place.and_then(|place| cells.get(place).copied().flatten());
            let text = text.filter(|text| !schema.missing.contains(*text));
            let is_key = schema.primary_key.contains(&at);
            if is_key {
                key.push(text);
            }
            let value = self.cell((at, field), place.unwrap_or(at) + 1, text, record);
            if let Some(column) = columns.get_mut(at)
                && !column.push(value)
                && !self.wide.contains(&at)
            {
                self.wide.push(at);
            }
        }
        self.places = Some(places);
        if !key.is_empty() {
            let hash = self.hash(&key);
            if self.keys.contains(&hash) {
                let message = format!("Row {number} has the same primary key as a row before it");
                self.report.add("unique-constraint", message, Some(number), None, Some(record));
            } else if self.has_room() {
                self.keys.insert(hash);
            }
        }
        true
    }

    /// Cells that are too many or too few, and rows that were there before.
    fn shape(&mut self, record: &Record<'_>) {
        let number = record.number;
        if self.report.is_full() {
            return;
        }
        for column in self.width + 1..=record.len() {
            let message = format!("Row {number} has an extra value in column {column}");
            self.report.add("extra-value", message, Some(number), Some(column), Some(record));
        }
        for column in record.len() + 1..=self.width {
            let message = format!("Row {number} has a missing value in column {column}");
            self.report.add("missing-value", message, Some(number), Some(column), Some(record));
        }
        let cells: Vec<Option<&str>> = record.cells().collect();
        let hash = self.hash(&cells);
        if let Some(other) = self.seen.get(&hash) {
            let message = format!("Row {number} is duplicated to row(s) {other}");
            self.report.add("duplicate-row", message, Some(number), None, Some(record));
        } else if self.has_room() {
            self.seen.insert(hash, number);
        }
    }

    /// Whether no further hash is kept.
    pub(super) fn is_full(&self) -> bool {
        self.kept >= MAX_HASHES
    }

    /// Takes room for a hash, if there is any.
    fn has_room(&mut self) -> bool {
        let has_room = !self.is_full();
        self.kept += usize::from(has_room);
        has_room
    }

    /// The value of a cell; what is wrong with it is reported, and the first of it fails the table.
    fn cell<'a>(&mut self, (at, field): (usize, &Field), column: usize, text: Option<&'a str>, record: &Record<'_>) -> Option<Value<'a>> {
        let number = record.number;
        let Some(text) = text else {
            if field.constraints.required {
                let message = format!("Column {column} is a required field, but row {number} has no value");
                self.wrong("required-constraint", message, column, record);
            }
            return None;
        };
        let Some(value) = cast(&field.kind, &field.format, text) else {
            let (kind, format) = (field.kind.name(), field.format.clone());
            let shown = shown(text);
            let message =
                format!("The value \"{shown}\" in row {number} and column {column} is not type \"{kind}\" and format \"{format}\"");
            self.wrong("type-or-format-error", message, column, record);
            return None;
        };
        let is_unique = field.constraints.unique;
        for (name, said) in field.constraints.broken(&field.kind, text, &value) {
            let shown = shown(text);
            let message = match name {
                "enumerable" => format!(
                    "The value \"{shown}\" in row {number} and column {column} does not conform to the given enumeration: \"{said}\""
                ),
                name => {
                    let word = name.replace('-', " ");
                    format!(
                        "The value \"{shown}\" in row {number} and column {column} does not conform to the {word} constraint of \"{said}\""
                    )
                }
            };
            self.wrong(&format!("{name}-constraint"), message, column, record);
        }
        if is_unique {
            let hash = self.hash(&[Some(text)]);
            if self.uniques.get(at).is_some_and(|seen| seen.contains(&hash)) {
                let message = format!("Row {number} has unique constraint violation in column {column}");
                self.report.add("unique-constraint", message, Some(number), Some(column), Some(record));
            } else if self.has_room()
                && let Some(seen) = self.uniques.get_mut(at)
            {
                seen.insert(hash);
            }
        }
        Some(value)
    }

    fn wrong(&mut self, code: &str, message: String, column: usize, record: &Record<'_>) {
        if self.failure.is_none() {
            self.failure = Some(message.clone());
        }
        self.report.add(code, message, Some(record.number), Some(column), Some(record));
    }

    fn hash(&self, cells: &[Option<&str>]) -> u128 {
        match &self.hashers {
            Some((one, two)) => (u128::from(one.hash_one(cells)) << 64) | u128::from(two.hash_one(cells)),
            None => 0,
        }
    }
}
