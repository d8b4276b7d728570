//! The graph of a workflow: jobs that hang on one trigger.

use std::collections::{HashMap, HashSet};

use madang_kit::{Error, Result};
use madang_proto::pipeline::v1::WorkflowNode;

use super::condition;

/// Nodes of a workflow.
const MAX_NODES: usize = 200;
/// Characters of an id or a name as a draft keeps it.
const MAX_TEXT: usize = 200;

/// Refuses what could not be kept, drafts included.
pub(super) fn bounded(nodes: Vec<WorkflowNode>) -> Result<Vec<WorkflowNode>> {
    if nodes.len() > MAX_NODES {
        return Err(Error::invalid("nodes", "too_many", format!("a workflow has at most {MAX_NODES} nodes")));
    }
    let mut kept = Vec::with_capacity(nodes.len());
    for (at, node) in nodes.into_iter().enumerate() {
        let texts = [&node.id, &node.name].into_iter().chain(&node.parent_node_ids);
        if node.parent_node_ids.len() > MAX_NODES || texts.into_iter().any(|text| text.chars().count() > MAX_TEXT || text.contains('\0')) {
            let rule = format!("ids and names have at most {MAX_TEXT} characters, and no NUL");
            return Err(Error::invalid(format!("nodes.{at}"), "too_long", rule));
        }
        let condition = node.condition.map(|condition| condition::checked(&format!("nodes.{at}.jobCondition"), condition)).transpose()?;
        kept.push(WorkflowNode { condition, is_valid: true, rule: 0, ..node });
    }
    Ok(kept)
}

/// Refuses nodes that are no graph behind one trigger.
pub(super) fn check(nodes: &[WorkflowNode]) -> Result<()> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (at, node) in nodes.iter().enumerate() {
        if places.insert(&node.id, at).is_some() {
            return Err(wrong(at, "id", "repeated", format!("two nodes have the id '{}'", node.id)));
        }
    }
    let mut triggers = nodes.iter().enumerate().filter(|(_, node)| node.is_trigger);
    let Some((first, start)) = triggers.next() else {
        return Err(Error::invalid("nodes", "missing", "a workflow needs a node of type TRIGGER"));
    };
    if let Some((at, _)) = triggers.next() {
        return Err(wrong(at, "type", "repeated", "a workflow has one node of type TRIGGER".to_owned()));
    }
    if !start.parent_node_ids.is_empty() {
        return Err(wrong(first, "parentNodeIds", "unknown", "a TRIGGER has no parents".to_owned()));
    }
    if nodes.len() == 1 {
        return Err(Error::invalid("nodes", "missing", "a workflow needs a node of type JOB"));
    }
    for (at, node) in nodes.iter().enumerate() {
        if let Some(parent) = node.parent_node_ids.iter().find(|parent| !places.contains_key(parent.as_str())) {
            return Err(wrong(at, "parentNodeIds", "unknown", format!("the node '{}' has an unknown parent '{parent}'", node.id)));
        }
    }
    reach_all(nodes)
}

/// Refuses jobs that the trigger does not reach: in a cycle, or without parents.
fn reach_all(nodes: &[WorkflowNode]) -> Result<()> {
    let mut done: HashSet<&str> = HashSet::new();
    let mut open: Vec<(usize, &WorkflowNode)> = nodes.iter().enumerate().collect();
    loop {
        let before = open.len();
        open.retain(|(_, node)| {
            let starts =
                node.is_trigger || (!node.parent_node_ids.is_empty() && node.parent_node_ids.iter().all(|id| done.contains(id.as_str())));
            if starts {
                done.insert(&node.id);
            }
            !starts
        });
        match open.first() {
            None => return Ok(()),
            Some((at, node)) if open.len() == before => {
                let why = format!("the job '{}' has no path from the trigger, or waits for itself", node.id);
                return Err(wrong(*at, "parentNodeIds", "cycle", why));
            }
            Some(_) => {}
        }
    }
}

pub(super) fn wrong(at: usize, field: &str, rule: &str, why: String) -> Error {
    Error::invalid(format!("nodes.{at}.{field}"), rule, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, parents: &[&str]) -> WorkflowNode {
        let parent_node_ids = parents.iter().map(|id| (*id).to_owned()).collect();
        WorkflowNode { id: id.to_owned(), is_trigger: id == "t", parent_node_ids, ..WorkflowNode::default() }
    }

    #[test]
    fn a_graph_hangs_on_one_trigger() {
        let good = [node("t", &[]), node("a", &["t"]), node("b", &["t"]), node("c", &["a", "b"])];
        assert!(check(&good).is_ok());
        for (nodes, field) in [
            (vec![], "nodes"),
            (vec![node("t", &[])], "nodes"),
            (vec![node("a", &[])], "nodes"),
            (vec![node("t", &["a"]), node("a", &["t"])], "nodes.0.parentNodeIds"),
            (vec![node("t", &[]), node("a", &["t"]), node("a", &["t"])], "nodes.2.id"),
            (vec![node("t", &[]), node("a", &["x"])], "nodes.1.parentNodeIds"),
            (vec![node("t", &[]), node("a", &[])], "nodes.1.parentNodeIds"),
            (vec![node("t", &[]), node("a", &["b"]), node("b", &["a"])], "nodes.1.parentNodeIds"),
        ] {
            let error = check(&nodes).expect_err(field);
            assert_eq!(error.fields.first().map(|problem| problem.field.as_str()), Some(field), "{nodes:?}");
        }
    }
}
