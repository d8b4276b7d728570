//! A job checked as a run would find it: the columns of every node, and everything that it links to.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use madang_kit::{Code, Context, Error, Result, error::FieldProblem};
use madang_lake::Question;
use madang_proto::{
    catalog::v1::TableAccess,
    pipeline::v1::{JobDefinition, NodeColumn, NodeSchema},
};

use super::{
    Graph, Values, columns, kind,
    node::{CatalogTable, Node, Place, Source, Target, To, Work},
};
use crate::{Pipelines, catalogue::Catalogue, connection, database, storage::bucket};

/// Checks a job and what it links to, and tells the columns of its nodes, in the order of the definition.
pub(crate) async fn verify(pipelines: &Pipelines, context: &Context, definition: &JobDefinition) -> Result<Vec<NodeSchema>> {
    let graph = super::read(definition, None)?;
    let mut found: Vec<SchemaRef> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        found.push(schema(pipelines, &graph, node, &found).await?);
    }
    for node in &graph.nodes {
        check_links(pipelines, context, node).await?;
    }
    let mut told: Vec<(usize, NodeSchema)> =
        graph.nodes.iter().zip(&found).map(|(node, schema)| (node.place.at, tell(node, schema))).collect();
    told.sort_by_key(|(at, _)| *at);
    Ok(told.into_iter().map(|(_, schema)| schema).collect())
}

async fn schema(pipelines: &Pipelines, graph: &Graph, node: &Node, found: &[SchemaRef]) -> Result<SchemaRef> {
    let parents: Vec<SchemaRef> = node.parents.iter().filter_map(|parent| found.get(*parent).cloned()).collect();
    match (columns::of(node, &parents)?, &node.work) {
        (Some(schema), _) => Ok(schema),
        (None, Work::Sql { aliases, sql }) => {
            let question = statement(graph, &node.place, sql)?;
            let tables: HashMap<String, SchemaRef> = aliases.iter().cloned().zip(parents).collect();
            let described = pipelines.flow.describe(&question, &tables).await.map_err(|error| node.place.wrong("sql", "sql", error))?;
            checked(&node.place, &described)
        }
        (None, _) => Ok(std::sync::Arc::new(Schema::empty())),
    }
}

/// A statement with its parameters.
pub(crate) fn statement(graph: &Graph, place: &Place, sql: &str) -> Result<Question> {
    let (sql, values) = Values(graph.parameters.as_ref()).bind(place, sql)?;
    Ok(Question { sql, values, ..Question::default() })
}

/// The columns of a statement, whose names differ.
pub(crate) fn checked(place: &Place, schema: &SchemaRef) -> Result<SchemaRef> {
    for field in schema.fields() {
        kind::check_name(place, "sql", field.name())?;
    }
    kind::unique(place, "sql", schema.fields().iter().map(|field| Field::new(field.name(), flat(field), true)).collect())
}

fn flat(field: &Field) -> DataType {
    if *field.data_type() == DataType::Null { DataType::Utf8 } else { field.data_type().clone() }
}

async fn check_links(pipelines: &Pipelines, context: &Context, node: &Node) -> Result<()> {
    let place = &node.place;
    match &node.work {
        Work::Source(Source::Objects { bucket, .. }) => {
            bucket::demand(pipelines, context, bucket, false).await.map_err(|error| linked(place, "bucketName", error))?;
        }
        Work::Source(Source::Catalog { table, columns }) => {
            let schema = catalog_table(&pipelines.catalog, context, place, table).await?.1;
            demand_columns(place, columns, &schema)?;
        }
        Work::Source(Source::Database { engine, connection, table, columns }) => {
            let found =
                connection::open(pipelines, context, connection, *engine).await.map_err(|error| linked(place, "connectionId", error))?;
            let there = database::columns(&found, table).await.map_err(|error| linked(place, "table", error))?;
            demand_names(place, columns, &there)?;
        }
        Work::Target(Target { to: To::Objects { bucket, .. }, .. }) => {
            bucket::demand(pipelines, context, bucket, true).await.map_err(|error| linked(place, "bucketName", error))?;
        }
        Work::Target(Target { to: To::Catalog(table), columns, .. }) => {
            let (dataset, schema) = catalog_table(&pipelines.catalog, context, place, table).await?;
            let open = pipelines.catalog.open(context, dataset, None, TableAccess::Write).await;
            open.map_err(|error| linked(place, "table", error))?;
            demand_columns(place, columns, &schema)?;
        }
        Work::Target(Target { to: To::Database { engine, connection, table }, columns, .. }) => {
            let found =
                connection::open(pipelines, context, connection, *engine).await.map_err(|error| linked(place, "connectionId", error))?;
            let there = database::columns(&found, table).await.map_err(|error| linked(place, "table", error))?;
            demand_names(place, columns, &there)?;
        }
        _ => {}
    }
    Ok(())
}

/// The dataset of a catalogue's table, and the columns of the version that is named.
pub(crate) async fn catalog_table(
    catalog: &Catalogue,
    context: &Context,
    place: &Place,
    table: &CatalogTable,
) -> Result<(madang_kit::Id, madang_lake::Schema)> {
    let found = catalog.find(context, &table.database, &table.table).await;
    let found = found.map_err(|error| {
        let of_database = error.message.starts_with("database ") || error.fields.iter().any(|problem| problem.field == "database");
        let member = if of_database { "database" } else { "table" };
        linked(place, member, error)
    })?;
    let absent = || Error::new(Code::NotFound, format!("the table '{}' has no such version", table.table));
    let schema = match table.version {
        Some(version) => found.schemas.into_iter().find(|(number, _)| *number == version),
        None => found.schemas.into_iter().next_back(),
    };
    let (_, schema) = schema.ok_or_else(|| linked(place, "schemaVersion", absent()))?;
    Ok((found.dataset, schema))
}

fn demand_columns(place: &Place, columns: &SchemaRef, schema: &madang_lake::Schema) -> Result<()> {
    let there: Vec<String> = schema.columns.iter().map(|column| column.name.clone()).collect();
    demand_names(place, columns, &there)
}

/// Refuses a column that a table lacks.
pub(crate) fn demand_names(place: &Place, columns: &SchemaRef, there: &[String]) -> Result<()> {
    match columns.fields().iter().enumerate().find(|(_, field)| !there.contains(field.name())) {
        Some((at, field)) => {
            Err(place.wrong(&format!("fieldList.{at}.name"), "column", format!("the table has no column '{}'", field.name())))
        }
        None => Ok(()),
    }
}

/// What is wrong with something that a node links to, with the node and its field; the rule says whose fault it is (dataflow.md 2.2).
pub(crate) fn linked(place: &Place, member: &str, error: Error) -> Error {
    if error.cause.is_some() && error.code == Code::Internal {
        return error;
    }
    let rule = match error.code {
        Code::NotFound | Code::NotVisible => "client-resource-not-found",
        Code::Denied => "client-unauthorized",
        Code::Invalid => "client-refused",
        _ => "client-request-failed",
    };
    let message = format!("node {}, {member}: {}", place.id, error.message);
    let problem = FieldProblem { field: place.field(member), rule: rule.to_owned(), message: message.clone() };
    Error { code: Code::Invalid, message, fields: vec![problem], cause: error.cause }
}

fn tell(node: &Node, schema: &SchemaRef) -> NodeSchema {
    let column = |field: &std::sync::Arc<Field>| NodeColumn { name: field.name().clone(), r#type: kind::name(field.data_type()) };
    NodeSchema { node_id: node.place.id, columns: schema.fields().iter().map(column).collect() }
}
