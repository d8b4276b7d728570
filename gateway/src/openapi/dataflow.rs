//! The operations of Data Flow, in the order of its route table (docs/dataflow.md says what each does).

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{list, named, object, one_of, text, truth, whole},
};

pub(super) fn operations() -> Vec<Operation> {
    [dashboard(), workflows(), jobs(), executions(), triggers()].into_iter().flatten().collect()
}

fn dashboard() -> Vec<Operation> {
    let new = |path: &str, summary| {
        let span = Operation::flow("Dashboard", "get", &format!("/api/v1/stats/{path}"), summary);
        let at = || json!({"type": "string", "examples": ["2026-03-01T00:00:00"]});
        span.query("startDate", at(), "Needed; in Seoul").query("endDate", at(), "Needed; in Seoul, at most 366 days later")
    };
    vec![
        new("executions", "How many executions there were").gives(named("FlowTotals")),
        new("executions-interval", "How many executions there were on each day").gives(named("FlowDays")),
        new("executions-times", "How many executions there were in each two hours").gives(named("FlowParts")),
        new("execution-times", "The same under another name").gives(named("FlowParts")),
    ]
}

fn workflows() -> Vec<Operation> {
    let new = |method, path: &str, summary| Operation::flow("Workflows", method, &format!("/api/v1/workflows{path}"), summary);
    vec![
        paged(new("get", "", "The workflows of the space")).query("name", text(), "Part of the name").gives(page("FlowWorkflow")),
        new("post", "", "A new workflow")
            .json("NewFlowWorkflow")
            .gives_as(201, named("FlowWorkflow"))
            .leads_to(&["/api/v1/workflows/{id}"], "workflowId"),
        new("get", "/{id}", "One workflow").gives(named("FlowWorkflow")),
        new("put", "/{id}", "Replace a workflow").json("NewFlowWorkflow").gives(named("FlowWorkflow")),
        new("delete", "/{id}", "Delete a workflow").gives(truth()),
        paged(new("get", "/{id}/executions", "The executions of its jobs"))
            .query("filter", text(), "Part of the workflow's name")
            .gives(page("FlowExecution")),
        new("post", "/{id}/executions", "Start a workflow whose trigger waits for that").gives_as(202, named("FlowAccepted")),
    ]
}

fn jobs() -> Vec<Operation> {
    let new = |method, path: &str, summary| Operation::flow("Jobs", method, &format!("/api/v1/jobs{path}"), summary);
    let statuses = one_of(&["RUNNABLE", "RUNNING", "DRAFT", "EDITING", "STOPPED", "DELETED", "UNKNOWN", "READY"]);
    vec![
        paged(new("get", "", "The jobs of the space"))
            .query("name", text(), "Part of the name")
            .query("status", statuses, "")
            .gives(page("FlowJobItem")),
        new("post", "", "A new job").json("NewFlowJob").gives_as(201, named("FlowJob")).leads_to(&["/api/v1/jobs/{id}"], "jobId"),
        new("post", "/verify", "Check a job without storing it: true, or with schemas the columns of each node")
            .query("schemas", truth(), "")
            .json("NewFlowJob")
            .gives(json!({"anyOf": [truth(), named("FlowVerified")]})),
        new("get", "/{id}", "One job").gives(named("FlowJob")),
        new("put", "/{id}", "Replace a job").json("NewFlowJob").gives(named("FlowJob")),
        new("patch", "/{id}", "Change what is given").json("FlowJobChange").gives(named("FlowJob")),
        new("delete", "/{id}", "Delete a job").gives(truth()),
    ]
}

fn executions() -> Vec<Operation> {
    let new =
        |method, path: &str, summary| Operation::flow("Executions", method, &format!("/api/v1/jobs/{{id}}/executions{path}"), summary);
    vec![
        paged(new("get", "", "The executions of a job, newest first")).gives(page("FlowExecution")),
        new("post", "", "Start a job")
            .query("workflowId", text(), "The workflow that it is said to belong to")
            .query("triggerId", text(), "The trigger that it is said to belong to")
            .json("NewFlowExecution")
            .gives(named("FlowStarted")),
        new("put", "", "Keep a run condition with the job").json("FlowConfiguration").gives(named("FlowJob")),
        new("get", "/{execution}", "One execution with its nodes").gives(named("FlowExecution")),
        new("post", "/{execution}/cancel", "Stop an execution").gives(truth()),
    ]
}

fn triggers() -> Vec<Operation> {
    let new = |method, path: &str, summary| Operation::flow("Triggers", method, &format!("/api/v1/triggers{path}"), summary);
    vec![
        paged(new("get", "", "The triggers of the space")).query("name", text(), "Part of the name").gives(page("FlowTrigger")),
        new("post", "", "A new trigger")
            .json("NewFlowTrigger")
            .gives_as(201, named("FlowTrigger"))
            .leads_to(&["/api/v1/triggers/{id}"], "triggerId"),
        new("get", "/{id}", "One trigger").gives(named("FlowTrigger")),
        new("delete", "/{id}", "Delete a trigger").gives(truth()),
    ]
}

fn paged(operation: Operation) -> Operation {
    let whole = |most: u64| json!({"type": "integer", "minimum": 0, "maximum": most});
    operation.query("page", whole(u32::MAX.into()), "From 0 on").query("limit", whole(1_000), "")
}

fn page(of: &str) -> Value {
    let number = || whole(0, u64::from(u32::MAX));
    object(&[("list", list(&named(of))), ("count", number()), ("page", number()), ("limit", whole(0, 1_000))])
}
