//! Nodes of a job's graph (dataflow.md section 4): JSON and the contract's message.

use madang_kit::{Error, Result};
use madang_proto::pipeline::v1::Node;
use serde_json::Value;

/// Reads the nodes of a job.
///
/// # Errors
/// [`madang_kit::Code::Invalid`] names `<at>.<place in the list>.<field>`.
pub(crate) fn read(nodes: &Value, at: &str) -> Result<Vec<Node>> {
    let Value::Array(nodes) = nodes else { return Err(Error::invalid(at, "list_type", format!("{at} must be a list"))) };
    nodes.iter().enumerate().map(|(place, node)| read_one(node, &format!("{at}.{place}"))).collect()
}

fn read_one(node: &Value, at: &str) -> Result<Node> {
    let wrong = |field: &str| Error::invalid(format!("{at}.{field}"), "type", format!("{at}.{field} is missing or of the wrong type"));
    let parents = node["parentNodeIds"].as_array().ok_or_else(|| wrong("parentNodeIds"))?;
    let parents: Option<Vec<i64>> = parents.iter().map(Value::as_i64).collect();
    Ok(Node {
        id: node["id"].as_i64().ok_or_else(|| wrong("id"))?,
        name: node["name"].as_str().ok_or_else(|| wrong("name"))?.to_owned(),
        r#type: node["type"].as_str().ok_or_else(|| wrong("type"))?.to_owned(),
        parent_node_ids: parents.ok_or_else(|| wrong("parentNodeIds"))?,
        json: node.to_string(),
    })
}

/// Nodes as they were sent.
pub(crate) fn write(nodes: &[Node]) -> Value {
    nodes.iter().map(|node| serde_json::from_str::<Value>(&node.json).unwrap_or_default()).collect()
}
