//! Column types and their two spellings (dhub.md section 6, "Type names").

use std::{collections::HashSet, sync::Arc};

use arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The hidden column that numbers rows in ingestion order, from 1. It never appears in a [`Schema`].
pub const ROW_ID: &str = "_id";
/// Characters of a column's name.
const MAX_NAME: usize = 1_000;

/// What one column holds. The serialized name is the Arrow-like one of dhub.md section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ColumnType {
    /// True or false.
    #[serde(rename = "bool")]
    Bool,
    /// 32-bit integer.
    #[serde(rename = "int32")]
    Int32,
    /// 64-bit integer.
    #[serde(rename = "int64")]
    Int64,
    /// 32-bit floating point.
    #[serde(rename = "float")]
    Float,
    /// 64-bit floating point.
    #[serde(rename = "double")]
    Double,
    /// UTF-8 text.
    #[serde(rename = "string")]
    String,
    /// A day, without time.
    #[serde(rename = "date32")]
    Date,
    /// An instant in microseconds, UTC.
    #[serde(rename = "timestamp")]
    Timestamp,
    /// A local date and time in microseconds, without zone.
    #[serde(rename = "timestamp_ntz")]
    LocalTimestamp,
}

impl ColumnType {
    const ALL: [Self; 9] =
        [Self::Bool, Self::Int32, Self::Int64, Self::Float, Self::Double, Self::String, Self::Date, Self::Timestamp, Self::LocalTimestamp];

    /// The Arrow-like name: `int64`, `date32`, ….
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float => "float",
            Self::Double => "double",
            Self::String => "string",
            Self::Date => "date32",
            Self::Timestamp => "timestamp",
            Self::LocalTimestamp => "timestamp_ntz",
        }
    }

    /// The struct-type name that Delta and D.Hub's `schema.fields` use: `long`, `date`, ….
    pub fn struct_name(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int32 => "integer",
            Self::Int64 => "long",
            Self::Date => "date",
            other => other.name(),
        }
    }

    /// Reads either spelling.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name || kind.struct_name() == name)
    }

    /// Whether a column of this type may become one of a wider type (dhub.md section 6).
    pub fn widens_to(self, wider: Self) -> bool {
        matches!((self, wider), (Self::Int32, Self::Int64 | Self::Double) | (Self::Int64 | Self::Float, Self::Double))
    }

    /// The Arrow type that holds it in memory and in Parquet.
    pub fn arrow(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::String => DataType::Utf8,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::LocalTimestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }

    /// The column type that can hold every value of an Arrow type; `None` for nested and binary types.
    pub fn from_arrow(kind: &DataType) -> Option<Self> {
        Some(match kind {
            DataType::Boolean => Self::Bool,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => Self::Int32,
            DataType::Int64 | DataType::UInt32 | DataType::UInt64 => Self::Int64,
            DataType::Float16 | DataType::Float32 => Self::Float,
            DataType::Float64 | DataType::Decimal128(..) | DataType::Decimal256(..) => Self::Double,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Self::String,
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Timestamp(_, Some(_)) => Self::Timestamp,
            DataType::Timestamp(_, None) => Self::LocalTimestamp,
            DataType::Dictionary(_, value) => return Self::from_arrow(value),
            _ => return None,
        })
    }
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The column's name as the source spells it; unique in its table.
    pub name: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Whether a cell may be empty.
    pub nullable: bool,
}

/// The visible columns of a table, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// The columns; [`ROW_ID`] is not among them.
    pub columns: Vec<Column>,
}

impl Schema {
    /// Reads an Arrow schema, leaving [`ROW_ID`] out.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first column whose type no table can hold.
    pub fn from_arrow(schema: &arrow::datatypes::Schema) -> Result<Self> {
        let mut columns = Vec::with_capacity(schema.fields().len());
        for field in schema.fields().iter().filter(|field| field.name() != ROW_ID) {
            let kind = ColumnType::from_arrow(field.data_type()).ok_or_else(|| {
                Error::invalid(format!("column '{}' has the type {}, which a table can't hold", field.name(), field.data_type()))
            })?;
            columns.push(Column { name: field.name().clone(), kind, nullable: field.is_nullable() });
        }
        Ok(Self { columns })
    }

    /// The Arrow schema of the visible columns.
    pub fn arrow(&self) -> SchemaRef {
        Arc::new(arrow::datatypes::Schema::new(self.fields()))
    }

    /// The Arrow schema as stored: [`ROW_ID`] first, then the visible columns.
    pub fn stored(&self) -> SchemaRef {
        let mut fields = vec![Field::new(ROW_ID, DataType::Int64, false)];
        fields.extend(self.fields());
        Arc::new(arrow::datatypes::Schema::new(fields))
    }

    /// The same columns, each nullable. That a first file or result has no empty cell is no promise about the next one.
    #[must_use]
    pub fn relaxed(mut self) -> Self {
        self.columns.iter_mut().for_each(|column| column.nullable = true);
        self
    }

    /// Checks that a table can have these columns: at least one, under names that [`Self::check_names`] takes.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first column that breaks a rule.
    pub fn check(&self) -> Result<()> {
        if self.columns.is_empty() {
            return Err(Error::invalid("a table needs at least one column"));
        }
        Self::check_names(self.columns.iter().map(|column| column.name.as_str()))
    }

    /// Checks names: none empty, none twice, none reserved, not too long. Delta compares names without case, so `a` and
    /// `A` can't both be columns, nor can any spelling of [`ROW_ID`].
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first column that breaks a rule.
    pub fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<()> {
        let mut seen = HashSet::new();
        for (index, name) in names.enumerate() {
            let number = index + 1;
            if name.trim().is_empty() {
                return Err(Error::invalid(format!("column {number} has no name")));
            }
            if name.chars().any(char::is_control) {
                return Err(Error::invalid(format!("the name of column {number} holds a control character")));
            }
            if name.chars().count() > MAX_NAME {
                return Err(Error::invalid(format!("the name of column {number} is longer than {MAX_NAME} characters")));
            }
            let folded = name.to_lowercase();
            if folded == ROW_ID {
                return Err(Error::invalid(format!("the column name '{name}' is reserved")));
            }
            if !seen.insert(folded) {
                return Err(Error::invalid(format!("the column name '{name}' appears twice (upper and lower case count as equal)")));
            }
        }
        Ok(())
    }

    /// Checks that a table with these columns can get the wanted ones: every column stays, and new ones are nullable.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first column that is missing, changed or not nullable.
    pub fn check_growth(&self, wanted: &Self) -> Result<()> {
        self.check_change(wanted, |now, next| now == next)
    }

    /// The same, but numbers may become wider ([`ColumnType::widens_to`]).
    ///
    /// # Errors
    /// As [`Self::check_growth`].
    pub fn check_widening(&self, wanted: &Self) -> Result<()> {
        self.check_change(wanted, |now, next| now == next || now.widens_to(next))
    }

    fn check_change(&self, wanted: &Self, may_become: fn(ColumnType, ColumnType) -> bool) -> Result<()> {
        for column in &self.columns {
            let name = &column.name;
            let next = wanted.column(name).ok_or_else(|| Error::invalid(format!("column '{name}' can't be removed")))?;
            if !may_become(column.kind, next.kind) {
                return Err(Error::invalid(format!("column '{name}' can't change from {} to {}", column.kind.name(), next.kind.name())));
            }
            if column.nullable && !next.nullable {
                return Err(Error::invalid(format!("column '{name}' may be empty already and can't become mandatory")));
            }
        }
        let mandatory = wanted.columns.iter().find(|column| self.column(&column.name).is_none() && !column.nullable);
        match mandatory {
            Some(column) => Err(Error::invalid(format!("the new column '{}' must be nullable", column.name))),
            None => Ok(()),
        }
    }

    /// The column with this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    fn fields(&self) -> Vec<Field> {
        self.columns.iter().map(|column| Field::new(&column.name, column.kind.arrow(), column.nullable)).collect()
    }
}
