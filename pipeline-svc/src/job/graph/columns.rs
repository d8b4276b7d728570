//! The columns that a node gives, from those that it reads (dataflow.md 4.3). What names a column that is not there is refused with
//! node and field.

use std::collections::HashSet;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, SchemaRef};
use madang_kit::Result;

use super::{
    kind::{self, comparable, wider},
    node::{Aggregate, Condition, Function, Join, Node, On, Place, Source, Work},
};

/// The columns of a node, unless only its statement tells.
pub(crate) fn of(node: &Node, parents: &[SchemaRef]) -> Result<Option<SchemaRef>> {
    let place = &node.place;
    let first = || parents.first().ok_or_else(|| place.wrong("parentNodeIds", "number", "a parent is missing"));
    Ok(Some(match &node.work {
        Work::Source(source) => source.columns(),
        Work::Define(changes) => define(place, first()?, changes)?,
        Work::Select(names) => select(place, first()?, names)?,
        Work::Rename(names) => rename(place, first()?, names)?,
        Work::Filter { conditions, .. } => {
            for (at, condition) in conditions.iter().enumerate() {
                check_condition(place, at, first()?, condition)?;
            }
            first()?.clone()
        }
        Work::Join(wanted) => join(place, parents, wanted)?,
        Work::Union { .. } => union(place, parents)?,
        Work::Aggregate { by, results } => aggregate(place, first()?, by, results)?,
        Work::DropDuplication(names) => {
            for (at, name) in names.iter().enumerate() {
                find(place, &format!("dropFieldList.{at}"), first()?, name)?;
            }
            first()?.clone()
        }
        Work::Fill(values) => {
            for (at, (name, value)) in values.iter().enumerate() {
                let member = format!("missingValueFieldList.{at}");
                let column = find(place, &format!("{member}.name"), first()?, name)?;
                check_value(place, &format!("{member}.defaultValue"), column, value.as_deref())?;
            }
            first()?.clone()
        }
        Work::Sql { .. } => return Ok(None),
        Work::Target(target) => target.columns.clone(),
    }))
}

impl Source {
    /// The columns that it names.
    pub(crate) fn columns(&self) -> SchemaRef {
        match self {
            Self::Objects { columns, .. } | Self::Catalog { columns, .. } | Self::Database { columns, .. } => columns.clone(),
        }
    }
}

/// A column that a node names.
pub(crate) fn find<'s>(place: &Place, member: &str, schema: &'s SchemaRef, name: &str) -> Result<&'s Field> {
    let found = schema.fields().iter().find(|field| field.name() == name);
    found.map(AsRef::as_ref).ok_or_else(|| place.wrong(member, "column", format!("there is no column '{name}'")))
}

fn define(place: &Place, schema: &SchemaRef, changes: &[(String, Field)]) -> Result<SchemaRef> {
    for (at, (name, _)) in changes.iter().enumerate() {
        find(place, &format!("defineFieldList.{at}.name"), schema, name)?;
    }
    let defined =
        |field: &Field| changes.iter().find(|(name, _)| name == field.name()).map_or_else(|| field.clone(), |(_, new)| new.clone());
    kind::unique(place, "defineFieldList", schema.fields().iter().map(|field| defined(field)).collect())
}

fn select(place: &Place, schema: &SchemaRef, names: &[String]) -> Result<SchemaRef> {
    let fields = names.iter().enumerate().map(|(at, name)| find(place, &format!("fieldList.{at}.name"), schema, name).cloned());
    kind::unique(place, "fieldList", fields.collect::<Result<_>>()?)
}

fn rename(place: &Place, schema: &SchemaRef, names: &[(String, String)]) -> Result<SchemaRef> {
    for (at, (name, _)) in names.iter().enumerate() {
        find(place, &format!("renameFieldList.{at}.name"), schema, name)?;
    }
    let renamed = |field: &Field| match names.iter().find(|(name, _)| name == field.name()) {
        Some((_, new)) => field.clone().with_name(new),
        None => field.clone(),
    };
    kind::unique(place, "renameFieldList", schema.fields().iter().map(|field| renamed(field)).collect())
}

fn check_condition(place: &Place, at: usize, schema: &SchemaRef, condition: &Condition) -> Result<()> {
    let member = |name: &str| format!("filterConditionList.{at}.{name}");
    let column = find(place, &member("name"), schema, &condition.column)?;
    check_value(place, &member("value"), column, condition.value.as_deref())
}

fn check_value(place: &Place, member: &str, column: &Field, value: Option<&str>) -> Result<()> {
    match value {
        Some(value) if !madang_lake::is_value(value, column.data_type()) => {
            let why = format!("it is no {}, which the column '{}' is", kind::name(column.data_type()), column.name());
            Err(place.wrong(member, "type", why))
        }
        _ => Ok(()),
    }
}

/// The left columns, then the right ones; a right one of a name that is taken gets the prefix.
fn join(place: &Place, parents: &[SchemaRef], wanted: &Join) -> Result<SchemaRef> {
    let (Some(left), Some(right)) = (parents.get(wanted.left), parents.get(wanted.right)) else {
        return Err(place.wrong("parentNodeIds", "number", "a parent is missing"));
    };
    for (at, On { left: one, right: two, .. }) in wanted.on.iter().enumerate() {
        let member = |name: &str| format!("joinConditionList.{at}.{name}");
        let one = find(place, &member("leftField"), left, one)?;
        let two = find(place, &member("rightField"), right, two)?;
        if !comparable(one.data_type(), two.data_type()) {
            let (first, second) = (kind::name(one.data_type()), kind::name(two.data_type()));
            return Err(place.wrong(&member("rightField"), "type", format!("{second} can't be compared with {first}")));
        }
    }
    let taken: HashSet<String> = left.fields().iter().map(|field| field.name().to_lowercase()).collect();
    let named = right.fields().iter().map(|field| {
        let name =
            if taken.contains(&field.name().to_lowercase()) { format!("{}{}", wanted.prefix, field.name()) } else { field.name().clone() };
        field.as_ref().clone().with_name(name)
    });
    let fields: Vec<Field> = left.fields().iter().map(|field| field.as_ref().clone()).chain(named).collect();
    kind::unique(place, "prefix", fields)
}

/// Where each column of a parent goes in a union: by name if the names are the same, else by place.
pub(crate) fn matched(place: &Place, first: &SchemaRef, other: &SchemaRef) -> Result<Vec<usize>> {
    let by_name: Option<Vec<usize>> = first.fields().iter().map(|field| other.index_of(field.name()).ok()).collect();
    match by_name {
        _ if first.fields().len() != other.fields().len() => {
            let why = format!("one parent has {} columns, another {}", first.fields().len(), other.fields().len());
            Err(place.wrong("parentNodeIds", "columns", why))
        }
        Some(by_name) => Ok(by_name),
        None => Ok((0..first.fields().len()).collect()),
    }
}

fn union(place: &Place, parents: &[SchemaRef]) -> Result<SchemaRef> {
    let Some((first, others)) = parents.split_first() else {
        return Err(place.wrong("parentNodeIds", "number", "a parent is missing"));
    };
    let mut fields: Vec<Field> = first.fields().iter().map(|field| field.as_ref().clone()).collect();
    for other in others {
        for (field, at) in fields.iter_mut().zip(matched(place, first, other)?) {
            let (one, two) = (field.data_type().clone(), other.field(at).data_type());
            let Some(both) = wider(&one, two) else {
                let why = format!("the column '{}' is {} and {}", field.name(), kind::name(&one), kind::name(two));
                return Err(place.wrong("parentNodeIds", "type", why));
            };
            *field = field.clone().with_data_type(both);
        }
    }
    kind::unique(place, "parentNodeIds", fields)
}

fn aggregate(place: &Place, schema: &SchemaRef, by: &[String], results: &[Aggregate]) -> Result<SchemaRef> {
    let mut fields = Vec::with_capacity(by.len() + results.len());
    for (at, name) in by.iter().enumerate() {
        fields.push(find(place, &format!("groupByList.{at}"), schema, name)?.clone());
    }
    for (at, result) in results.iter().enumerate() {
        let column = find(place, &format!("aggregateFieldList.{at}.name"), schema, &result.column)?;
        let kind = result_type(result.function, column.data_type()).ok_or_else(|| {
            let why = format!("the column '{}' is {}, which can't be summed up", column.name(), kind::name(column.data_type()));
            place.wrong(&format!("aggregateFieldList.{at}.function"), "type", why)
        })?;
        fields.push(Field::new(&result.name, kind, true));
    }
    kind::unique(place, "aggregateFieldList", fields)
}

/// What a function gives for a type; none if it gives nothing.
fn result_type(function: Function, column: &DataType) -> Option<DataType> {
    use DataType::{Binary, Decimal128, Float64, Int64};
    match (function, column) {
        (Function::Count, _) => Some(Int64),
        (Function::Sum, kind) if kind.is_integer() => Some(Int64),
        (Function::Sum, Decimal128(_, scale)) => Some(Decimal128(DECIMAL128_MAX_PRECISION, *scale)),
        (Function::Avg, Decimal128(_, scale)) => Some(Decimal128(DECIMAL128_MAX_PRECISION, scale.saturating_add(4).min(30).max(*scale))),
        (Function::Sum | Function::Avg, kind) => kind.is_numeric().then_some(Float64),
        (Function::Max | Function::Min, Binary) => None,
        (Function::Max | Function::Min, kind) => Some(kind.clone()),
    }
}
