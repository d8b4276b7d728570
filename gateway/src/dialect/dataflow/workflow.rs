//! Workflows (dataflow.md 3.3).

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use madang_kit::{Result, rpc};
use madang_proto::pipeline::v1::{
    CreateWorkflowRequest, DeleteWorkflowRequest, GetWorkflowRequest, ListExecutionsRequest, ListWorkflowsRequest, StartWorkflowRequest,
    UpdateWorkflowRequest, Workflow, WorkflowNode,
};
use serde_json::{Value, json};

use super::{
    call::{Call, JsonCall, Path, Query, id},
    condition,
    error::FlowError,
    execution, trigger,
    wire::{self, Object, PageQuery},
};
use crate::{Gateway, dialect::fields::Fields};

/// Nodes of a workflow, and parents of one; what a workflow may have is the service's to say.
const ENTRIES: usize = 1_000;

/// `POST /workflows` createWorkflow
pub(crate) async fn create(State(gateway): State<Gateway>, call: JsonCall) -> Result<(StatusCode, Json<Value>), FlowError> {
    let Body { name, nodes, draft, sent } = Body::read(call.fields)?;
    let request = CreateWorkflowRequest { name, nodes, draft };
    let answer = gateway.workflows.clone().create_workflow(rpc::request(&call.context, request)).await;
    let made = answer.map_err(|status| FlowError::of_nodes(status, &sent))?.into_inner();
    Ok((StatusCode::CREATED, Json(shape(&made).done())))
}

/// `PUT /workflows/{workflowId}` updateWorkflow
pub(crate) async fn update(State(gateway): State<Gateway>, Path(workflow): Path<String>, call: JsonCall) -> Result<Json<Value>, FlowError> {
    let Body { name, nodes, draft, sent } = Body::read(call.fields)?;
    let request = UpdateWorkflowRequest { workflow_id: id("workflow_id", &workflow)?, name, nodes, draft };
    let answer = gateway.workflows.clone().update_workflow(rpc::request(&call.context, request)).await;
    Ok(Json(shape(&answer.map_err(|status| FlowError::of_nodes(status, &sent))?.into_inner()).done()))
}

/// `GET /workflows/{workflowId}` getWorkflowById
pub(crate) async fn show(State(gateway): State<Gateway>, Path(workflow): Path<String>, call: Call) -> Result<Json<Value>, FlowError> {
    let request = GetWorkflowRequest { workflow_id: id("workflow_id", &workflow)? };
    Ok(Json(shape(&gateway.workflows.clone().get_workflow(rpc::request(&call.context, request)).await?.into_inner()).done()))
}

/// `GET /workflows` getWorkflows
pub(crate) async fn list(State(gateway): State<Gateway>, Query(query): Query<PageQuery>, call: Call) -> Result<Json<Value>, FlowError> {
    let page = query.page()?;
    let request = ListWorkflowsRequest { name: query.name, page: Some(page) };
    let found = gateway.workflows.clone().list_workflows(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(wire::list(&found.workflows.iter().map(item).collect::<Vec<_>>(), found.count, &page)))
}

/// `DELETE /workflows/{workflowId}` deleteWorkflow
pub(crate) async fn delete(State(gateway): State<Gateway>, Path(workflow): Path<String>, call: Call) -> Result<Json<bool>, FlowError> {
    let request = DeleteWorkflowRequest { workflow_id: id("workflow_id", &workflow)? };
    gateway.workflows.clone().delete_workflow(rpc::request(&call.context, request)).await?;
    Ok(Json(true))
}

/// `GET /workflows/{workflowId}/executions` getWorkflowExecutions: executions of its jobs.
pub(crate) async fn executions(
    State(gateway): State<Gateway>,
    Path(workflow): Path<String>,
    Query(query): Query<PageQuery>,
    call: Call,
) -> Result<Json<Value>, FlowError> {
    let request = ListExecutionsRequest {
        job_id: None,
        workflow_id: Some(id("workflow_id", &workflow)?),
        page: Some(query.page()?),
        workflow_name: query.filter,
    };
    execution::listed(&gateway, &call, request).await
}

/// `POST /workflows/{workflowId}/executions` executeWorkflow
pub(crate) async fn execute(
    State(gateway): State<Gateway>,
    Path(workflow): Path<String>,
    headers: HeaderMap,
    call: JsonCall,
) -> Result<(StatusCode, Json<Value>), FlowError> {
    let request = StartWorkflowRequest { workflow_id: id("workflow_id", &workflow)?, origin: execution::origin(&headers) };
    let made = gateway.workflows.clone().start_workflow(rpc::request(&call.context, request)).await?.into_inner();
    let body = json!({
        "workflowId": made.workflow_id, "triggerId": made.trigger_id, "status": "ACCEPTED",
        "workflowExecutionId": made.workflow_execution_id,
    });
    Ok((StatusCode::ACCEPTED, Json(body)))
}

/// What a body says of a workflow.
struct Body {
    name: String,
    nodes: Vec<WorkflowNode>,
    draft: bool,
    /// The nodes as they came.
    sent: Value,
}

impl Body {
    fn read(mut fields: Fields) -> Result<Self> {
        let name = fields.text("name");
        let draft = fields.optional_bool("isTemp").unwrap_or_default();
        if !fields.has("nodes") {
            fields.problem("nodes", "missing", "field required");
        }
        let sent = fields.list("nodes", ENTRIES);
        let mut nodes = Vec::with_capacity(sent.len());
        for (at, node) in sent.iter().enumerate() {
            let mut inner = Fields::nested(&format!("nodes.{at}"), node.clone());
            nodes.push(read_node(&mut inner));
            fields.absorb(inner);
        }
        fields.finish()?;
        Ok(Self { name, nodes, draft, sent: sent.into() })
    }
}

fn read_node(fields: &mut Fields) -> WorkflowNode {
    let kind = fields.text("type");
    if !matches!(kind.as_str(), "TRIGGER" | "JOB" | "") {
        fields.problem("type", "choice", "must be TRIGGER or JOB");
    }
    WorkflowNode {
        id: fields.text("id"),
        is_trigger: kind == "TRIGGER",
        name: fields.optional_text("name").unwrap_or_default(),
        parent_node_ids: fields.texts("parentNodeIds", ENTRIES).unwrap_or_default(),
        condition: condition::read(fields),
        is_valid: true,
        rule: 0,
    }
}

fn shape(workflow: &Workflow) -> Object {
    Object::default()
        .with("workflowId", workflow.id.clone())
        .with("name", workflow.name.clone())
        .with("isTemp", workflow.draft)
        .with("nodes", workflow.nodes.iter().map(node).collect::<Vec<_>>())
        .maybe("createdDate", wire::date(workflow.created_at))
        .maybe("updatedDate", wire::date(workflow.updated_at))
}

/// A workflow in a list.
fn item(workflow: &Workflow) -> Value {
    let rule = workflow.nodes.iter().find(|node| node.is_trigger).and_then(|node| trigger::rule_word(node.rule()));
    shape(workflow)
        .maybe("lastExecutionDate", wire::date(workflow.last_at))
        .maybe("triggerRuleType", rule)
        .with("resourceId", workflow.id.clone())
        .with("disabled", false)
        .done()
}

fn node(node: &WorkflowNode) -> Value {
    Object::default()
        .with("id", node.id.clone())
        .with("name", node.name.clone())
        .with("type", if node.is_trigger { "TRIGGER" } else { "JOB" })
        .with("parentNodeIds", node.parent_node_ids.clone())
        .maybe("triggerRule", trigger::rule_word(node.rule()))
        .maybe("jobCondition", node.condition.as_ref().map(condition::write))
        .with("isValid", node.is_valid)
        .done()
}
