//! What a node does, by its type (dataflow.md 4.2 to 4.4).

use madang_kit::Result;
use madang_proto::pipeline::v1::{
    AggregateField, DefineField, FilterCondition, JoinCondition, MissingValue, NodeField, RenameField, SourceCatalog, SourceDatabase,
    SourceName, SourceObs, TargetCatalog, TargetDatabase, TargetObs, TransformAggregate, TransformDefine, TransformDropDuplication,
    TransformFillMissingValues, TransformFilter, TransformJoin, TransformRename, TransformSelect, TransformSql, TransformUnion, node::Work,
};

use super::members::Members;

/// Reads the members of a type.
pub(super) fn read(kind: &str, node: &Members<'_>) -> Result<Option<Work>> {
    Ok(Some(match kind {
        "SOURCE_OBS" => Work::SourceObs(SourceObs {
            region_no: node.text("regionNo")?,
            bucket_name: node.text("bucketName")?,
            prefix: node.text("prefix")?,
            data_type: node.text("dataType")?,
            field_list: fields(node)?,
        }),
        "SOURCE_CATALOG" => Work::SourceCatalog(SourceCatalog {
            database: node.text("database")?,
            table: node.text("table")?,
            schema_version: node.scalar("schemaVersion")?,
            field_list: fields(node)?,
        }),
        "SOURCE_CDB_MYSQL" | "SOURCE_CDB_POSTGRESQL" => Work::SourceDatabase(SourceDatabase {
            connection_id: node.text("connectionId")?,
            table: node.text("table")?,
            field_list: fields(node)?,
        }),
        "TRANSFORM_DEFINE" => Work::Define(TransformDefine {
            define_field_list: node.objects("defineFieldList", |entry| {
                Ok(DefineField { name: entry.text("name")?, new_type: entry.text("newType")?, new_name: entry.text("newName")? })
            })?,
        }),
        "TRANSFORM_SELECT" => Work::Select(TransformSelect { field_list: fields(node)? }),
        "TRANSFORM_RENAME" => Work::Rename(TransformRename {
            rename_field_list: node
                .objects("renameFieldList", |entry| Ok(RenameField { name: entry.text("name")?, new_name: entry.text("newName")? }))?,
        }),
        "TRANSFORM_FILTER" => Work::Filter(filter(node)?),
        "TRANSFORM_JOIN" => Work::Join(join(node)?),
        "TRANSFORM_UNION" => Work::Union(TransformUnion { union_type: node.text("unionType")? }),
        "TRANSFORM_AGGREGATE" => Work::Aggregate(aggregate(node)?),
        "TRANSFORM_DROP_DUPLICATION" => Work::DropDuplication(TransformDropDuplication { drop_field_list: node.texts("dropFieldList")? }),
        "TRANSFORM_FILL_MISSING_VALUES" => Work::FillMissingValues(TransformFillMissingValues {
            missing_value_field_list: node.objects("missingValueFieldList", |entry| {
                Ok(MissingValue { name: entry.text("name")?, default_value: entry.scalar("defaultValue")? })
            })?,
        }),
        "TRANSFORM_SQL" => Work::Sql(TransformSql {
            source_name_list: node.objects("sourceNameList", |entry| {
                Ok(SourceName { parent_id: entry.integer("parentId")?, new_name: entry.text("newName")? })
            })?,
            sql: node.text("sql")?,
        }),
        "TARGET_OBS" => Work::TargetObs(TargetObs {
            region_no: node.text("regionNo")?,
            bucket_name: node.text("bucketName")?,
            prefix: node.text("prefix")?,
            data_type: node.text("dataType")?,
            field_list: fields(node)?,
            update_type: node.optional_text("updateType")?.unwrap_or_default(),
            coalesce: node.optional_integer("coalesce")?,
        }),
        "TARGET_CATALOG" => Work::TargetCatalog(TargetCatalog {
            database: node.text("database")?,
            table: node.text("table")?,
            schema_version: node.scalar("schemaVersion")?,
            field_list: fields(node)?,
            update_type: node.optional_text("updateType")?.unwrap_or_default(),
            coalesce: node.optional_integer("coalesce")?,
        }),
        "TARGET_CDB_MYSQL" | "TARGET_CDB_POSTGRESQL" => Work::TargetDatabase(TargetDatabase {
            connection_id: node.text("connectionId")?,
            table: node.text("table")?,
            field_list: fields(node)?,
            update_type: node.optional_text("updateType")?.unwrap_or_default(),
        }),
        other => return Err(node.wrong("type", "choice", &format!("'{}' is no type of a node", other.escape_debug()))),
    }))
}

fn fields(node: &Members<'_>) -> Result<Vec<NodeField>> {
    node.objects("fieldList", field)
}

fn field(entry: &Members<'_>) -> Result<NodeField> {
    if entry.is_deep() {
        return Err(entry.wrong("properties", "too_deep", "is nested too deeply"));
    }
    Ok(NodeField { name: entry.text("name")?, r#type: entry.text("type")?, properties: entry.optional_objects("properties", field)? })
}

fn filter(node: &Members<'_>) -> Result<TransformFilter> {
    let conditions = node.objects("filterConditionList", |entry| {
        Ok(FilterCondition { name: entry.text("name")?, operator: entry.text("operator")?, value: entry.scalar("value")? })
    });
    Ok(TransformFilter { filter_type: node.text("filterType")?, filter_condition_list: conditions? })
}

fn join(node: &Members<'_>) -> Result<TransformJoin> {
    let conditions = node.objects("joinConditionList", |entry| {
        Ok(JoinCondition {
            left_field: entry.text("leftField")?,
            right_field: entry.text("rightField")?,
            join_operator: entry.text("joinOperator")?,
            condition_operator: entry.text("conditionOperator")?,
        })
    });
    Ok(TransformJoin {
        join_type: node.text("joinType")?,
        left_node_id: node.integer("leftNodeId")?,
        right_node_id: node.integer("rightNodeId")?,
        join_condition_list: conditions?,
        prefix: node.optional_text("prefix")?,
    })
}

fn aggregate(node: &Members<'_>) -> Result<TransformAggregate> {
    let results = node.objects("aggregateFieldList", |entry| {
        Ok(AggregateField {
            name: entry.text("name")?,
            result_name: entry.either("ResultName", "resultName")?,
            function: entry.text("function")?,
        })
    });
    Ok(TransformAggregate { group_by_list: node.texts("groupByList")?, aggregate_field_list: results? })
}
