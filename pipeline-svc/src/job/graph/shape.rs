//! The shape of a graph (dataflow.md 4.5): who reads from whom, and the order that follows.

use std::collections::{BTreeSet, HashMap, HashSet};

use madang_kit::{Error, Result};
use madang_proto::pipeline::v1::Node;

use super::{is, node::Place};

/// Nodes in the order in which they run, with the places of their parents in that order. Sources come first, ties as they are written,
/// targets last.
///
/// # Errors
/// [`madang_kit::Code::Invalid`] names the node and what is wrong with its place in the graph.
pub(super) fn order(nodes: &[Node]) -> Result<Vec<(usize, Vec<usize>)>> {
    let by_id = by_id(nodes)?;
    let parents = parents(nodes, &by_id)?;
    let mut has_child = vec![false; nodes.len()];
    for parent in parents.iter().flatten() {
        if let Some(has_child) = has_child.get_mut(*parent) {
            *has_child = true;
        }
    }
    for kind in ["SOURCE", "TARGET"] {
        if !nodes.iter().any(|node| is(node, kind)) {
            return Err(Error::invalid("nodes", "missing", format!("nodes: a job needs at least one {kind} node")));
        }
    }
    for (at, node) in nodes.iter().enumerate() {
        match (is(node, "TARGET"), has_child.get(at)) {
            (true, Some(true)) => return Err(place(at, node).wrong("parentNodeIds", "child", "a target has no children")),
            (false, Some(false)) => return Err(place(at, node).wrong("parentNodeIds", "child", "no node reads its rows")),
            _ => {}
        }
    }
    let sorted = sort(nodes, &parents)?;
    let (targets, others): (Vec<usize>, Vec<usize>) =
        sorted.into_iter().partition(|at| nodes.get(*at).is_some_and(|node| is(node, "TARGET")));
    let order: Vec<usize> = others.into_iter().chain(targets).collect();
    let places: HashMap<usize, usize> = order.iter().enumerate().map(|(place, at)| (*at, place)).collect();
    let inputs = |at: &usize| parents.get(*at).into_iter().flatten().filter_map(|parent| places.get(parent).copied()).collect();
    Ok(order.iter().map(|at| (*at, inputs(at))).collect())
}

fn place(at: usize, node: &Node) -> Place {
    Place { at, id: node.id, label: node.name.clone() }
}

fn by_id(nodes: &[Node]) -> Result<HashMap<i64, usize>> {
    let mut by_id = HashMap::new();
    for (at, node) in nodes.iter().enumerate() {
        if by_id.insert(node.id, at).is_some() {
            return Err(place(at, node).wrong("id", "repeated", "two nodes have this id"));
        }
    }
    Ok(by_id)
}

/// The parents of each node: as many as its type wants, each there, each once.
fn parents(nodes: &[Node], by_id: &HashMap<i64, usize>) -> Result<Vec<Vec<usize>>> {
    let mut all = Vec::with_capacity(nodes.len());
    for (at, node) in nodes.iter().enumerate() {
        let wrong = |rule: &str, why: String| Err(place(at, node).wrong("parentNodeIds", rule, why));
        let mut parents = Vec::with_capacity(node.parent_node_ids.len());
        let mut seen = HashSet::new();
        for id in &node.parent_node_ids {
            let Some(parent) = by_id.get(id) else { return wrong("unknown", format!("there is no node {id}")) };
            if !seen.insert(id) {
                return wrong("repeated", format!("the node {id} stands there twice"));
            }
            parents.push(*parent);
        }
        let (fits, wanted) = match node.r#type.as_str() {
            "TRANSFORM_JOIN" => (parents.len() == 2, "exactly two parents"),
            "TRANSFORM_UNION" => (parents.len() >= 2, "at least two parents"),
            "TRANSFORM_SQL" => (!parents.is_empty(), "at least one parent"),
            _ if is(node, "SOURCE") => (parents.is_empty(), "no parents"),
            _ => (parents.len() == 1, "exactly one parent"),
        };
        if !fits {
            return wrong("number", format!("a node of type {} has {wanted}", node.r#type));
        }
        all.push(parents);
    }
    Ok(all)
}

/// The order, or the first node of a cycle.
fn sort(nodes: &[Node], parents: &[Vec<usize>]) -> Result<Vec<usize>> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut waits: Vec<usize> = Vec::with_capacity(nodes.len());
    for (at, parents) in parents.iter().enumerate() {
        waits.push(parents.len());
        for parent in parents {
            if let Some(children) = children.get_mut(*parent) {
                children.push(at);
            }
        }
    }
    let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|at| waits.get(*at) == Some(&0)).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(next) = ready.pop_first() {
        order.push(next);
        for child in children.get(next).into_iter().flatten() {
            if let Some(left) = waits.get_mut(*child) {
                *left -= 1;
                if *left == 0 {
                    ready.insert(*child);
                }
            }
        }
    }
    let left = nodes.iter().enumerate().find(|(at, _)| waits.get(*at).is_some_and(|left| *left > 0));
    match left {
        Some((at, node)) => Err(place(at, node).wrong("parentNodeIds", "cycle", "the nodes wait for one another in a circle")),
        None => Ok(order),
    }
}
