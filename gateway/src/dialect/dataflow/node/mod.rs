//! Nodes of a job's graph (dataflow.md section 4): JSON and the contract's message. Here is looked at which members there are and of
//! which kind; what they mean is checked with the graph. The JSON is kept as it was sent, and given back so.

mod members;
mod work;

use madang_kit::{Error, Result};
use madang_proto::pipeline::v1::Node;
use serde_json::Value;

use self::members::Members;

/// Nodes that are read; a graph has fewer, and that is told with the graph.
const MAX_NODES: usize = 10_000;
/// Parents of one node.
const MAX_PARENTS: usize = 1_000;

/// Reads the nodes of a job.
///
/// # Errors
/// [`madang_kit::Code::Invalid`] names `<at>.<place in the list>.<field>`.
pub(crate) fn read(nodes: &Value, at: &str) -> Result<Vec<Node>> {
    let Value::Array(nodes) = nodes else { return Err(Error::invalid(at, "list_type", format!("{at} must be a list"))) };
    if nodes.len() > MAX_NODES {
        return Err(Error::invalid(at, "too_many", format!("{at} has at most {MAX_NODES} entries")));
    }
    nodes.iter().enumerate().map(|(place, node)| read_one(node, &format!("{at}.{place}"))).collect()
}

fn read_one(node: &Value, at: &str) -> Result<Node> {
    let members = Members::new(node, at)?;
    let parents = members.integers("parentNodeIds", MAX_PARENTS)?;
    let kind = members.text("type")?;
    Ok(Node {
        id: members.integer("id")?,
        name: members.text("name")?,
        parent_node_ids: parents,
        work: work::read(&kind, &members)?,
        r#type: kind,
        json: node.to_string(),
    })
}

/// Nodes as they were sent.
pub(crate) fn write(nodes: &[Node]) -> Value {
    nodes.iter().map(|node| serde_json::from_str::<Value>(&node.json).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use madang_proto::pipeline::v1::node::Work;
    use serde_json::json;

    use super::*;

    #[test]
    fn nodes_come_back_as_they_were_sent() {
        let sent = json!([
            {"type": "SOURCE_OBS", "id": 1_697_000_000_123_i64, "name": "원본 읽기", "parentNodeIds": [], "regionNo": "1", "bucketName": "b",
             "prefix": "raw", "dataType": "CSV", "fieldList": [{"name": "금액", "type": "BigInt"}], "uiPosition": {"x": 1.5}},
            {"id": 2, "type": "TRANSFORM_AGGREGATE", "name": "n", "parentNodeIds": [1], "groupByList": [],
             "aggregateFieldList": [{"name": "금액", "ResultName": "합계", "function": "SUM"}]}
        ]);
        let nodes = read(&sent, "nodes").expect("two nodes");
        assert_eq!(write(&nodes), sent);
        assert_eq!(nodes[0].id, 1_697_000_000_123);
        let Some(Work::Aggregate(aggregate)) = &nodes[1].work else { panic!("an aggregate") };
        assert_eq!(aggregate.aggregate_field_list[0].result_name, "합계");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let source = json!({"type": "SOURCE_OBS", "id": 1, "name": "n", "parentNodeIds": [], "regionNo": "1", "bucketName": "b", "prefix": "p",
                            "dataType": "CSV", "fieldList": [{"name": "a", "type": "int"}]});
        let with = |member: &str, value: Value| {
            let mut changed = source.clone();
            changed[member] = value;
            json!([changed])
        };
        for (nodes, field) in [
            (json!({}), "nodes"),
            (json!([1]), "nodes.0"),
            (with("id", json!("1")), "nodes.0.id"),
            (with("id", json!(1.5)), "nodes.0.id"),
            (with("name", json!(null)), "nodes.0.name"),
            (with("parentNodeIds", json!(["1"])), "nodes.0.parentNodeIds.0"),
            (with("bucketName", json!(5)), "nodes.0.bucketName"),
            (with("fieldList", json!([{"name": "a"}])), "nodes.0.fieldList.0.type"),
            (with("fieldList", json!({})), "nodes.0.fieldList"),
        ] {
            let refused = read(&nodes, "nodes").expect_err(field);
            assert_eq!(refused.fields[0].field, field);
        }
        let unknown = read(&with("type", json!("TRANSFORM_SPLIT_FIELD")), "nodes").expect_err("unknown");
        assert_eq!((unknown.fields[0].field.as_str(), unknown.fields[0].rule.as_str()), ("nodes.0.type", "choice"));
    }
}
