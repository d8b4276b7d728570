//! One node, read from its message: words become choices, what is missing or too much is refused with node and field. Which columns
//! there are is not known here yet.

use arrow::datatypes::{Field, SchemaRef};
use madang_kit::{Error, Result};
use madang_lake::ObjectFormat;
use madang_proto::pipeline::v1::{
    AggregateField, JoinCondition, Node as WireNode, TargetCatalog, TargetDatabase, TargetObs, TransformAggregate, TransformFilter,
    TransformJoin, node::Work as Wire,
};

use super::{kind, parameter::Values};
use crate::database::Engine;

/// Entries of a list of a node: columns, conditions, names.
const MAX_ENTRIES: usize = 4_096;
/// Conditions of a filter or a join; each is a level of one expression.
const MAX_CONDITIONS: usize = 100;
/// Files that one target may be asked for.
const MAX_FILES: i64 = 1_000;
/// Characters of a label.
const MAX_LABEL: usize = 100;
/// Bytes of a statement.
const MAX_SQL: usize = 256 << 10;
/// What stands before a right column of a name that the left has too.
const PREFIX: &str = "right_";

/// Where a node stands.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// In the list of the definition.
    pub(crate) at: usize,
    pub(crate) id: i64,
    pub(crate) label: String,
}

impl Place {
    /// The member of a node that breaks a rule.
    pub(crate) fn wrong(&self, member: &str, rule: &str, why: impl std::fmt::Display) -> Error {
        Error::invalid(self.field(member), rule, format!("node {}, {member}: {why}", self.id))
    }

    /// The path of a member.
    pub(crate) fn field(&self, member: &str) -> String {
        format!("nodes.{}.{member}", self.at)
    }
}

/// A node that is right by itself.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    /// Places of the parents in the graph, in the order of `parentNodeIds`.
    pub(crate) parents: Vec<usize>,
    pub(crate) work: Work,
    /// Whether its rows come in an order that is the same each time, because a node behind it keeps the first of several.
    pub(crate) ordered: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Work {
    Source(Source),
    /// For each column: its name and what it becomes.
    Define(Vec<(String, Field)>),
    Select(Vec<String>),
    Rename(Vec<(String, String)>),
    Filter {
        any: bool,
        conditions: Vec<Condition>,
    },
    Join(Join),
    Union {
        distinct: bool,
    },
    Aggregate {
        by: Vec<String>,
        results: Vec<Aggregate>,
    },
    /// Empty = all columns.
    DropDuplication(Vec<String>),
    /// Columns with what stands for null in them.
    Fill(Vec<(String, Text)>),
    /// For each parent, its name in the statement.
    Sql {
        aliases: Vec<String>,
        sql: String,
    },
    Target(Target),
}

#[derive(Clone, Debug)]
pub(crate) enum Source {
    Objects { bucket: String, prefix: Text, format: ObjectFormat, columns: SchemaRef },
    Catalog { table: CatalogTable, columns: SchemaRef },
    Database { engine: Engine, connection: String, table: String, columns: SchemaRef },
}

/// A table of the catalogue in Data Flow's words.
#[derive(Clone, Debug)]
pub(crate) struct CatalogTable {
    pub(crate) database: String,
    pub(crate) table: String,
    /// None = the latest.
    pub(crate) version: Option<i64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) to: To,
    pub(crate) columns: SchemaRef,
    pub(crate) mode: Mode,
    /// Files to write.
    pub(crate) files: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) enum To {
    Objects { bucket: String, prefix: Text, format: ObjectFormat },
    Catalog(CatalogTable),
    Database { engine: Engine, connection: String, table: String },
}

/// What happens to the rows that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Mode {
    Overwrite,
    Append,
    /// If there are any, nothing is written.
    Ignore,
}

/// A text in which parameters are filled in; none while their values are not known.
pub(crate) type Text = Option<String>;

#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) column: String,
    /// As SQL has it.
    pub(crate) operator: &'static str,
    pub(crate) value: Text,
}

#[derive(Clone, Debug)]
pub(crate) struct Join {
    /// As SQL has it.
    pub(crate) kind: &'static str,
    /// The sides among the parents.
    pub(crate) left: usize,
    pub(crate) right: usize,
    pub(crate) on: Vec<On>,
    pub(crate) prefix: String,
}

#[derive(Clone, Debug)]
pub(crate) struct On {
    pub(crate) left: String,
    pub(crate) right: String,
    pub(crate) operator: &'static str,
    /// How it is put to those before it; empty for the first.
    pub(crate) and_or: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) struct Aggregate {
    pub(crate) column: String,
    pub(crate) name: String,
    pub(crate) function: Function,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Sum,
    Avg,
    Max,
    Min,
    Count,
}

const OPERATORS: [(&str, &str); 6] = [("EQ", "="), ("NE", "<>"), ("GT", ">"), ("LT", "<"), ("GTE", ">="), ("LTE", "<=")];
const JOINS: [(&str, &str); 4] =
    [("INNER", "INNER JOIN"), ("LEFT_OUTER", "LEFT JOIN"), ("RIGHT_OUTER", "RIGHT JOIN"), ("FULL_OUTER", "FULL JOIN")];
const FUNCTIONS: [(&str, Function); 5] =
    [("SUM", Function::Sum), ("AVG", Function::Avg), ("MAX", Function::Max), ("MIN", Function::Min), ("COUNT", Function::Count)];
const MODES: [(&str, Mode); 4] =
    [("", Mode::Overwrite), ("OVERWRITE", Mode::Overwrite), ("APPEND", Mode::Append), ("IGNORE", Mode::Ignore)];
const SOURCE_FORMATS: [(&str, ObjectFormat); 4] =
    [("CSV", ObjectFormat::Csv), ("JSON", ObjectFormat::Json), ("NDJSON", ObjectFormat::Json), ("PARQUET", ObjectFormat::Parquet)];
const TARGET_FORMATS: [(&str, ObjectFormat); 3] =
    [("CSV", ObjectFormat::Csv), ("JSON", ObjectFormat::Json), ("PARQUET", ObjectFormat::Parquet)];

/// Reads a node. `parents` are those that its ids name.
pub(super) fn read(at: usize, node: &WireNode, values: &Values<'_>) -> Result<(Place, Work)> {
    let place = Place { at, id: node.id, label: node.name.clone() };
    if node.name.trim().is_empty() || node.name.chars().count() > MAX_LABEL {
        return Err(place.wrong("name", "length", format!("a node's name has 1 to {MAX_LABEL} characters")));
    }
    let work = node.work.as_ref().ok_or_else(|| place.wrong("type", "choice", format!("there is no type '{}'", node.r#type)))?;
    let work = Reader { place: &place, node, values }.work(work)?;
    Ok((place, work))
}

struct Reader<'a> {
    place: &'a Place,
    node: &'a WireNode,
    values: &'a Values<'a>,
}

impl Reader<'_> {
    fn work(&self, work: &Wire) -> Result<Work> {
        let place = self.place;
        Ok(match work {
            Wire::SourceObs(source) => Work::Source(Source::Objects {
                bucket: self.bucket(&source.bucket_name)?,
                prefix: self.prefix(&source.prefix)?,
                format: self.choice("dataType", &SOURCE_FORMATS, &source.data_type)?,
                columns: kind::columns(place, &source.field_list)?,
            }),
            Wire::SourceCatalog(source) => Work::Source(Source::Catalog {
                table: self.catalog_table(&source.database, &source.table, &source.schema_version)?,
                columns: kind::columns(place, &source.field_list)?,
            }),
            Wire::SourceDatabase(source) => Work::Source(Source::Database {
                engine: self.engine(),
                connection: self.text("connectionId", &source.connection_id)?,
                table: self.text("table", &source.table)?,
                columns: kind::columns(place, &source.field_list)?,
            }),
            Wire::Define(define) => {
                self.entries("defineFieldList", define.define_field_list.len(), 1, MAX_ENTRIES)?;
                let fields = define.define_field_list.iter().enumerate().map(|(at, entry)| {
                    let field = kind::field(place, &format!("defineFieldList.{at}"), &entry.new_name, &entry.new_type)?;
                    Ok((entry.name.clone(), field))
                });
                Work::Define(self.each_once("defineFieldList", fields.collect::<Result<Vec<_>>>()?)?)
            }
            Wire::Select(select) => {
                self.entries("fieldList", select.field_list.len(), 1, MAX_ENTRIES)?;
                Work::Select(select.field_list.iter().map(|entry| entry.name.clone()).collect())
            }
            Wire::Rename(rename) => {
                self.entries("renameFieldList", rename.rename_field_list.len(), 1, MAX_ENTRIES)?;
                let names = rename.rename_field_list.iter().enumerate().map(|(at, entry)| {
                    kind::check_name(place, &format!("renameFieldList.{at}.newName"), &entry.new_name)?;
                    Ok((entry.name.clone(), entry.new_name.clone()))
                });
                Work::Rename(self.each_once("renameFieldList", names.collect::<Result<Vec<_>>>()?)?)
            }
            Wire::Filter(filter) => self.filter(filter)?,
            Wire::Join(join) => Work::Join(self.join(join)?),
            Wire::Union(union) => {
                Work::Union { distinct: self.choice("unionType", &[("ALL", false), ("DISTINCT", true)], &union.union_type)? }
            }
            Wire::Aggregate(aggregate) => self.aggregate(aggregate)?,
            Wire::DropDuplication(drop) => {
                self.entries("dropFieldList", drop.drop_field_list.len(), 0, MAX_ENTRIES)?;
                Work::DropDuplication(drop.drop_field_list.clone())
            }
            Wire::FillMissingValues(fill) => {
                self.entries("missingValueFieldList", fill.missing_value_field_list.len(), 1, MAX_ENTRIES)?;
                let filled = fill.missing_value_field_list.iter().enumerate().map(|(at, entry)| {
                    let value = self.values.fill(place, &format!("missingValueFieldList.{at}.defaultValue"), &entry.default_value)?;
                    Ok((entry.name.clone(), value))
                });
                Work::Fill(self.each_once("missingValueFieldList", filled.collect::<Result<Vec<_>>>()?)?)
            }
            Wire::Sql(sql) => {
                if sql.sql.trim().is_empty() || sql.sql.len() > MAX_SQL || sql.sql.contains('\0') {
                    return Err(place.wrong("sql", "length", format!("a statement has 1 to {MAX_SQL} bytes and no NUL")));
                }
                let names: Vec<(i64, &str)> = sql.source_name_list.iter().map(|entry| (entry.parent_id, entry.new_name.as_str())).collect();
                Work::Sql { aliases: self.aliases(&names)?, sql: sql.sql.clone() }
            }
            Wire::TargetObs(target) => Work::Target(self.target_obs(target)?),
            Wire::TargetCatalog(target) => Work::Target(self.target_catalog(target)?),
            Wire::TargetDatabase(target) => Work::Target(self.target_database(target)?),
        })
    }

    fn filter(&self, filter: &TransformFilter) -> Result<Work> {
        self.entries("filterConditionList", filter.filter_condition_list.len(), 1, MAX_CONDITIONS)?;
        let conditions = filter.filter_condition_list.iter().enumerate().map(|(at, entry)| {
            let member = |name: &str| format!("filterConditionList.{at}.{name}");
            Ok(Condition {
                column: entry.name.clone(),
                operator: self.choice(&member("operator"), &OPERATORS, &entry.operator)?,
                value: self.values.fill(self.place, &member("value"), &entry.value)?,
            })
        });
        let any = self.choice("filterType", &[("AND", false), ("OR", true)], &filter.filter_type)?;
        Ok(Work::Filter { any, conditions: conditions.collect::<Result<_>>()? })
    }

    fn join(&self, join: &TransformJoin) -> Result<Join> {
        self.entries("joinConditionList", join.join_condition_list.len(), 1, MAX_CONDITIONS)?;
        let on = join.join_condition_list.iter().enumerate().map(|(at, entry)| self.on(at, entry));
        let prefix = join.prefix.clone().unwrap_or_else(|| PREFIX.to_owned());
        if !prefix.is_empty() {
            kind::check_name(self.place, "prefix", &prefix)?;
        }
        let (left, right) = (self.side("leftNodeId", join.left_node_id)?, self.side("rightNodeId", join.right_node_id)?);
        if left == right {
            return Err(self.place.wrong("rightNodeId", "repeated", "both sides are the same node"));
        }
        Ok(Join { kind: self.choice("joinType", &JOINS, &join.join_type)?, left, right, on: on.collect::<Result<_>>()?, prefix })
    }

    fn on(&self, at: usize, entry: &JoinCondition) -> Result<On> {
        let member = |name: &str| format!("joinConditionList.{at}.{name}");
        let and_or = match (at, entry.condition_operator.to_ascii_uppercase().as_str()) {
            (0, "HEAD") => "",
            (1.., "AND") => "AND",
            (1.., "OR") => "OR",
            _ => {
                let why = "the first condition has HEAD, the others AND or OR";
                return Err(self.place.wrong(&member("conditionOperator"), "choice", why));
            }
        };
        let operator = self.choice(&member("joinOperator"), &OPERATORS, &entry.join_operator)?;
        Ok(On { left: entry.left_field.clone(), right: entry.right_field.clone(), operator, and_or })
    }

    /// The place of a side among the parents.
    fn side(&self, member: &str, id: i64) -> Result<usize> {
        let found = self.node.parent_node_ids.iter().position(|parent| *parent == id);
        found.ok_or_else(|| self.place.wrong(member, "unknown", format!("{id} is no parent of the node")))
    }

    fn aggregate(&self, aggregate: &TransformAggregate) -> Result<Work> {
        self.entries("groupByList", aggregate.group_by_list.len(), 0, MAX_ENTRIES)?;
        let least = usize::from(aggregate.group_by_list.is_empty());
        self.entries("aggregateFieldList", aggregate.aggregate_field_list.len(), least, MAX_ENTRIES)?;
        let results = aggregate.aggregate_field_list.iter().enumerate().map(|(at, entry): (usize, &AggregateField)| {
            let member = |name: &str| format!("aggregateFieldList.{at}.{name}");
            kind::check_name(self.place, &member("ResultName"), &entry.result_name)?;
            let function = self.choice(&member("function"), &FUNCTIONS, &entry.function)?;
            Ok(Aggregate { column: entry.name.clone(), name: entry.result_name.clone(), function })
        });
        Ok(Work::Aggregate { by: aggregate.group_by_list.clone(), results: results.collect::<Result<_>>()? })
    }

    /// For each parent, its name in the statement: each has exactly one, and they differ.
    fn aliases(&self, names: &[(i64, &str)]) -> Result<Vec<String>> {
        let member = "sourceNameList";
        self.entries(member, names.len(), 1, MAX_CONDITIONS)?;
        if let Some((id, _)) = names.iter().find(|(id, _)| !self.node.parent_node_ids.contains(id)) {
            return Err(self.place.wrong(member, "unknown", format!("{id} is no parent of the node")));
        }
        let mut aliases: Vec<String> = Vec::new();
        for parent in &self.node.parent_node_ids {
            let mut own = names.iter().filter(|(id, _)| id == parent).map(|(_, name)| *name);
            let (Some(name), None) = (own.next(), own.next()) else {
                return Err(self.place.wrong(member, "number", format!("the parent {parent} needs exactly one name")));
            };
            if name.trim().is_empty() || name.len() > 255 || name.chars().any(char::is_control) {
                return Err(self.place.wrong(member, "name", "a table's name has 1 to 255 bytes and no control characters"));
            }
            if aliases.iter().any(|other| other.to_lowercase() == name.to_lowercase()) {
                return Err(self.place.wrong(member, "repeated", format!("two parents are named '{name}'")));
            }
            aliases.push(name.to_owned());
        }
        Ok(aliases)
    }

    fn target_obs(&self, target: &TargetObs) -> Result<Target> {
        let to = To::Objects {
            bucket: self.bucket(&target.bucket_name)?,
            prefix: self.prefix(&target.prefix)?,
            format: self.choice("dataType", &TARGET_FORMATS, &target.data_type)?,
        };
        let (mode, files) = (self.mode(&target.update_type)?, self.files(target.coalesce)?);
        Ok(Target { to, columns: kind::columns(self.place, &target.field_list)?, mode, files })
    }

    fn target_catalog(&self, target: &TargetCatalog) -> Result<Target> {
        let to = To::Catalog(self.catalog_table(&target.database, &target.table, &target.schema_version)?);
        let (mode, files) = (self.mode(&target.update_type)?, self.files(target.coalesce)?);
        Ok(Target { to, columns: kind::columns(self.place, &target.field_list)?, mode, files })
    }

    fn target_database(&self, target: &TargetDatabase) -> Result<Target> {
        let to = To::Database {
            engine: self.engine(),
            connection: self.text("connectionId", &target.connection_id)?,
            table: self.text("table", &target.table)?,
        };
        Ok(Target { to, columns: kind::columns(self.place, &target.field_list)?, mode: self.mode(&target.update_type)?, files: None })
    }

    fn catalog_table(&self, database: &str, table: &str, version: &str) -> Result<CatalogTable> {
        let version = match version.trim() {
            latest if latest.eq_ignore_ascii_case("latest") => None,
            number => match number.parse::<i64>() {
                Ok(number) if number >= 1 => Some(number),
                _ => return Err(self.place.wrong("schemaVersion", "pattern", "a schema version is a number from 1 on, or latest")),
            },
        };
        Ok(CatalogTable { database: self.text("database", database)?, table: self.text("table", table)?, version })
    }

    fn engine(&self) -> Engine {
        if self.node.r#type.ends_with("MYSQL") { Engine::MySql } else { Engine::Postgres }
    }

    fn bucket(&self, name: &str) -> Result<String> {
        madang_lake::check_bucket(name).map_err(|error| self.place.wrong("bucketName", "name", error))?;
        Ok(name.to_owned())
    }

    fn prefix(&self, prefix: &str) -> Result<Text> {
        let Some(prefix) = self.values.fill(self.place, "prefix", prefix)? else { return Ok(None) };
        madang_lake::check_prefix(&prefix).map(Some).map_err(|error| self.place.wrong("prefix", "pattern", error))
    }

    fn mode(&self, word: &str) -> Result<Mode> {
        self.choice("updateType", &MODES, word)
    }

    fn files(&self, coalesce: Option<i64>) -> Result<Option<u64>> {
        match coalesce {
            None => Ok(None),
            Some(number) if (1..=MAX_FILES).contains(&number) => Ok(Some(number.unsigned_abs())),
            Some(_) => Err(self.place.wrong("coalesce", "range", format!("it is 1 to {MAX_FILES}"))),
        }
    }

    fn choice<T: Copy>(&self, member: &str, words: &[(&str, T)], word: &str) -> Result<T> {
        let found = words.iter().find(|row| row.0.eq_ignore_ascii_case(word)).map(|row| row.1);
        let names = || words.iter().map(|row| row.0).filter(|name| !name.is_empty()).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| self.place.wrong(member, "choice", format!("'{word}' is none of {}", names())))
    }

    fn text(&self, member: &str, text: &str) -> Result<String> {
        if text.trim().is_empty() || text.len() > 512 || text.chars().any(char::is_control) {
            return Err(self.place.wrong(member, "missing", "it has 1 to 512 bytes and no control characters"));
        }
        Ok(text.to_owned())
    }

    fn entries(&self, member: &str, number: usize, least: usize, most: usize) -> Result<()> {
        if (least..=most).contains(&number) {
            return Ok(());
        }
        Err(self.place.wrong(member, "number", format!("it has {least} to {most} entries")))
    }

    /// Refuses a column that is named twice.
    fn each_once<T>(&self, member: &str, entries: Vec<(String, T)>) -> Result<Vec<(String, T)>> {
        let mut names = std::collections::HashSet::new();
        match entries.iter().find(|(name, _)| !names.insert(name.clone())) {
            Some((twice, _)) => Err(self.place.wrong(member, "repeated", format!("the column '{twice}' stands there twice"))),
            None => Ok(entries),
        }
    }
}
