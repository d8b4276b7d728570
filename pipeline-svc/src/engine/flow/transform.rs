//! Transforms: what only renames, casts or appends passes through; all else is one SELECT of the engine's.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::SchemaRef;
use futures::StreamExt;
use madang_kit::{Code, Error, Result};
use madang_lake::{Conform, Conformed, Question, Relation, RowStream};

use super::{Done, LIMITS, Running, lake_error};
use crate::job::graph::{
    columns,
    node::{Join, Node, Work},
    question, verify,
};

/// A join whose sides both have more bytes sorts them, which can go to the disk, instead of keeping one in memory.
const LARGE_SIDE: u64 = 64 << 20;

impl Running<'_> {
    pub(super) async fn transform(&self, node: &Node, parents: &[Relation]) -> Result<Done> {
        let schemas: Vec<SchemaRef> = parents.iter().map(|parent| parent.schema.clone()).collect();
        let schema = columns::of(node, &schemas)?;
        match (&node.work, schema, parents) {
            (Work::Sql { aliases, sql }, _, _) => self.statement(node, aliases, sql, parents).await,
            (Work::Define(_) | Work::Rename(_), Some(schema), [only]) => {
                let places = (0..schema.fields().len()).map(Some).collect();
                self.pass(only, Conform::by_place(schema, places)).await
            }
            (Work::Select(names), Some(schema), [only]) => {
                let places = names.iter().map(|name| only.schema.index_of(name).ok()).collect();
                self.pass(only, Conform::by_place(schema, places)).await
            }
            (Work::Filter { any, conditions }, Some(schema), [only]) => {
                self.ask(question::filter(&schema, *any, conditions), only, schema).await
            }
            (Work::Aggregate { by, results }, Some(schema), [only]) => {
                self.ask(question::aggregate(&only.schema, by, results), only, schema).await
            }
            (Work::DropDuplication(names), Some(schema), [only]) => self.ask(question::distinct(&schema, names), only, schema).await,
            (Work::Fill(values), Some(schema), [only]) => self.ask(question::fill(&schema, values), only, schema).await,
            (Work::Join(wanted), Some(schema), _) => self.join(node, wanted, parents, schema).await,
            (Work::Union { distinct }, Some(schema), _) => self.union(node, parents, schema, *distinct).await,
            _ => Err(Error::internal("a node without its parents")),
        }
    }

    /// The rows in other columns; what does not fit is null and counted.
    async fn pass(&self, rows: &Relation, conform: Conform) -> Result<Done> {
        let rows = self.walk.engine.0.flow.rows(rows).map_err(lake_error)?;
        self.keep(rows.conformed(conform)).await
    }

    /// What a question about one table gives.
    async fn ask(&self, question: Question, rows: &Relation, schema: SchemaRef) -> Result<Done> {
        self.answer(&question, &HashMap::from([(question::ROWS.to_owned(), rows.clone())]), schema).await
    }

    /// The answer in the columns that were computed before. A value that does not fit there is a sum that is too large.
    async fn answer(&self, question: &Question, tables: &HashMap<String, Relation>, schema: SchemaRef) -> Result<Done> {
        let rows = self.walk.engine.0.flow.ask(question, tables, &LIMITS).await.map_err(lake_error)?;
        let places = (0..schema.fields().len()).map(Some).collect();
        let done = self.keep(rows.conformed(Conform::by_place(schema, places))).await?;
        if done.bad_values == 0 {
            return Ok(done);
        }
        if let Some(rows) = &done.rows {
            super::forget(self.walk.engine, rows).await;
        }
        Err(Error::new(Code::Invalid, "overflow: a result is too large for its type"))
    }

    async fn statement(&self, node: &Node, aliases: &[String], sql: &str, parents: &[Relation]) -> Result<Done> {
        let question = verify::statement(self.graph, &node.place, sql)?;
        let tables: HashMap<String, Relation> = aliases.iter().cloned().zip(parents.iter().cloned()).collect();
        let rows = self.walk.engine.0.flow.ask(&question, &tables, &LIMITS).await.map_err(lake_error)?;
        let schema = verify::checked(&node.place, &rows.schema)?;
        let places = (0..schema.fields().len()).map(Some).collect();
        self.keep(rows.conformed(Conform::by_place(schema, places))).await
    }

    async fn join(&self, node: &Node, wanted: &Join, parents: &[Relation], schema: SchemaRef) -> Result<Done> {
        let (Some(left), Some(right)) = (parents.get(wanted.left), parents.get(wanted.right)) else {
            return Err(Error::internal("a join without its sides"));
        };
        let asked = question::join(&left.schema, &schema, &right.schema, wanted, node.ordered);
        let is_equal = wanted.on.iter().all(|on| on.operator == "=" && on.and_or != "OR");
        let sorted_joins = is_equal && left.bytes().min(right.bytes()) > LARGE_SIDE;
        let tables = HashMap::from([(question::LEFT.to_owned(), left.clone()), (question::RIGHT.to_owned(), right.clone())]);
        self.answer(&Question { sorted_joins, ..asked }, &tables, schema).await
    }

    /// The rows of all parents, one parent after the other.
    async fn union(&self, node: &Node, parents: &[Relation], schema: SchemaRef, distinct: bool) -> Result<Done> {
        let Some(first) = parents.first() else { return Err(Error::internal("a union of nothing")) };
        let mut streams = Vec::with_capacity(parents.len());
        for parent in parents {
            let places = columns::matched(&node.place, &first.schema, &parent.schema)?;
            let conform = Conform::by_place(schema.clone(), places.into_iter().map(Some).collect());
            let Conformed { rows, .. } = self.walk.engine.0.flow.rows(parent).map_err(lake_error)?.conformed(conform);
            streams.push(rows.batches);
        }
        let batches = futures::stream::iter(streams).flatten().boxed();
        let all = self.keep(Conformed { rows: RowStream { schema: schema.clone(), batches }, bad_values: Arc::default() }).await?;
        match &all.rows {
            Some(rows) if distinct => {
                let done = self.ask(question::distinct(&schema, &[]), rows, schema).await;
                super::forget(self.walk.engine, rows).await;
                done
            }
            _ => Ok(all),
        }
    }
}
