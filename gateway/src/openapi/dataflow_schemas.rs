//! The bodies of Data Flow (dataflow.md sections 2 to 4). Absent members are left out of answers.

use serde_json::{Map, Value, json};

use super::schema::{anything, count, list, map, named, object, one_of, request, text, time, truth, whole};

pub(super) fn all() -> Map<String, Value> {
    let schemas = [refusals(), jobs(), executions(), workflows(), triggers(), dashboard()].into_iter().flatten();
    schemas.map(|(name, schema)| (name.to_owned(), schema)).collect()
}

type Named = Vec<(&'static str, Value)>;

/// A name of a job, a workflow or a trigger.
fn name() -> Value {
    json!({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_-]{2,99}$"})
}

fn id() -> Value {
    json!({"type": "string", "pattern": "^[A-Za-z0-9]{12}$"})
}

fn state() -> Value {
    one_of(&["READY", "RUNNING", "COMPLETED", "FAILED", "CANCELED"])
}

fn refusals() -> Named {
    let error = object(&[("errorCode", text()), ("message", text()), ("details", text())]);
    let needed = ["type", "title", "status", "detail", "instance", "errorType"];
    let problem = [
        ("type", text()),
        ("title", text()),
        ("status", count()),
        ("detail", text()),
        ("instance", text()),
        ("errorType", text()),
        ("message", text()),
        ("errors", list(&request(&["field", "message"], &[("nodeId", anything()), ("field", text()), ("message", text())]))),
    ];
    vec![("FlowRefusal", object(&[("error", error)])), ("FlowProblem", request(&needed, &problem))]
}

fn condition() -> Value {
    let members = [
        ("workerType", one_of(&["DEFAULT", "DATAFLOW"])),
        ("numWorker", whole(2, 10)),
        ("timeout", whole(0, 1_440)),
        ("nrn", text()),
        ("scriptPath", text()),
        ("logPath", text()),
        ("parameters", json!({"type": "object", "additionalProperties": text()})),
    ];
    request(&[], &members)
}

fn jobs() -> Named {
    let node = request(
        &["id", "name", "type", "parentNodeIds"],
        &[
            ("id", json!({"type": "integer", "format": "int64"})),
            ("name", text()),
            ("type", text()),
            ("parentNodeIds", list(&json!({"type": "integer", "format": "int64"}))),
        ],
    );
    let given = [
        ("name", name()),
        ("description", text()),
        ("type", one_of(&["DATAFLOW", "VISUAL", "SCRIPT"])),
        ("nodes", list(&named("FlowNode"))),
        ("isTemp", truth()),
        ("maxConcurrentRuns", whole(1, 1_000)),
        ("jobCondition", named("FlowCondition")),
    ];
    let shown = [
        ("jobId", id()),
        ("name", text()),
        ("type", one_of(&["DATAFLOW", "SCRIPT"])),
        ("status", one_of(&["RUNNABLE", "RUNNING", "DRAFT", "EDITING", "STOPPED", "DELETED", "UNKNOWN"])),
        ("lastExecutionStatus", state()),
        ("createdDate", time()),
        ("updatedDate", time()),
        ("lastExecutionDate", time()),
    ];
    let whole_job = [
        &shown[..],
        &[("description", text()), ("nodes", list(&anything())), ("runCondition", named("FlowCondition")), ("maxConcurrentRuns", count())],
    ]
    .concat();
    let item = [&shown[..], &[("resourceId", id()), ("disabled", truth())]].concat();
    let needed = ["jobId", "name", "type", "status", "createdDate", "updatedDate"];
    let columns = object(&[("nodeId", count()), ("fieldList", list(&object(&[("name", text()), ("type", text())])))]);
    vec![
        ("FlowNode", node),
        ("FlowCondition", condition()),
        ("NewFlowJob", request(&["name"], &given)),
        ("FlowJobChange", request(&[], &given)),
        ("FlowJob", request(&needed, &whole_job)),
        ("FlowJobItem", request(&needed, &item)),
        ("FlowVerified", object(&[("valid", truth()), ("nodes", list(&columns))])),
        ("FlowConfiguration", request(&["jobCondition"], &[("jobCondition", named("FlowCondition"))])),
    ]
}

fn executions() -> Named {
    let execution = [
        ("jobExecutionId", id()),
        ("jobId", id()),
        ("jobName", text()),
        ("workflowId", id()),
        ("workflowExecutionId", id()),
        ("triggerId", id()),
        ("triggerName", text()),
        ("status", state()),
        ("message", text()),
        ("jobCondition", named("FlowCondition")),
        ("waitingTime", json!({"type": "integer"})),
        ("runningTime", json!({"type": "integer"})),
        ("executorNum", count()),
        ("parsedParameters", map()),
        ("origin", map()),
        ("createdDate", time()),
        ("startDate", time()),
        ("endDate", time()),
        ("nodeStats", list(&map())),
    ];
    let started =
        [("jobExecutionId", id()), ("jobId", id()), ("status", state()), ("jobCondition", named("FlowCondition")), ("createdDate", time())];
    vec![
        ("NewFlowExecution", request(&[], &[("jobCondition", named("FlowCondition")), ("parameters", map())])),
        ("FlowStarted", object(&started)),
        ("FlowExecution", request(&["jobExecutionId", "jobId", "jobName", "status", "createdDate"], &execution)),
    ]
}

fn workflows() -> Named {
    let kinds = || one_of(&["TRIGGER", "JOB"]);
    let new_node =
        [("id", text()), ("name", text()), ("type", kinds()), ("parentNodeIds", list(&text())), ("jobCondition", named("FlowCondition"))];
    let rules = || one_of(&["RECURRING", "ONE_TIME", "NONE"]);
    let node = [&new_node[..], &[("isValid", truth()), ("triggerRule", rules())]].concat();
    let new = [("name", name()), ("nodes", list(&request(&["id", "type", "parentNodeIds"], &new_node))), ("isTemp", truth())];
    let workflow = [
        ("workflowId", id()),
        ("name", text()),
        ("isTemp", truth()),
        ("nodes", list(&request(&["id", "name", "type", "parentNodeIds", "isValid"], &node))),
        ("createdDate", time()),
        ("updatedDate", time()),
        ("lastExecutionDate", time()),
        ("triggerRuleType", rules()),
        ("resourceId", id()),
        ("disabled", truth()),
    ];
    let accepted = [("workflowId", id()), ("triggerId", id()), ("status", one_of(&["ACCEPTED"])), ("workflowExecutionId", id())];
    vec![
        ("NewFlowWorkflow", request(&["name", "nodes"], &new)),
        ("FlowWorkflow", request(&["workflowId", "name", "isTemp", "nodes", "createdDate", "updatedDate"], &workflow)),
        ("FlowAccepted", object(&accepted)),
    ]
}

fn triggers() -> Named {
    let days = one_of(&["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]);
    let rule = request(
        &["type"],
        &[
            ("type", one_of(&["RECURRING", "ONE_TIME", "NONE"])),
            ("interval", one_of(&["HOUR", "DAY", "WEEK", "MONTH"])),
            ("time", text()),
            ("dayOfWeek", list(&days)),
            ("dateOfMonth", text()),
            ("executionDate", time()),
        ],
    );
    let kinds = || one_of(&["SCHEDULED", "EVENT", "NONE"]);
    let trigger = [
        ("triggerId", id()),
        ("name", text()),
        ("type", kinds()),
        ("triggerRule", named("FlowRule")),
        ("createdDate", time()),
        ("updatedDate", time()),
        ("resourceId", id()),
        ("disabled", truth()),
    ];
    vec![
        ("FlowRule", rule),
        (
            "NewFlowTrigger",
            request(&["name", "type", "triggerRule"], &[("name", name()), ("type", kinds()), ("triggerRule", named("FlowRule"))]),
        ),
        ("FlowTrigger", request(&["triggerId", "name", "type", "triggerRule", "createdDate", "updatedDate"], &trigger)),
    ]
}

fn dashboard() -> Named {
    let day = object(&[("totalCount", count()), ("startDate", text()), ("endDate", text())]);
    let part = object(&[("time", json!({"type": "integer", "format": "int64"})), ("value", count())]);
    vec![
        ("FlowTotals", object(&[("totalCount", count()), ("completedCount", count()), ("failedCount", count())])),
        ("FlowDays", object(&[("result", list(&day))])),
        ("FlowParts", object(&[("result", list(&part))])),
    ]
}
