//! Dataspace: the operations, authoring, respondents.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{list, map, nullable, object, one_of, text, truth, whole},
};

pub(super) fn operations() -> Vec<Operation> {
    surveys()
        .into_iter()
        .chain(panels())
        .chain(profiles())
        .chain(responses())
        .chain(spaces())
        .chain(authoring())
        .chain(guarding())
        .chain(pages())
        .collect()
}

fn key(method: &'static str, path: &str, summary: &'static str) -> Operation {
    Operation::dataspace("Dataspace", method, path, summary).with_key()
}

fn author(method: &'static str, path: &str, summary: &'static str) -> Operation {
    Operation::dataspace("Dataspace authoring", method, &format!("/dataspace/v1/spaces{path}"), summary)
}

fn brief() -> [(&'static str, Value); 4] {
    [("surveyId", text()), ("title", text()), ("createdAt", text()), ("updatedAt", text())]
}

fn survey() -> Value {
    let [id, title, created, updated] = brief();
    object(&[id, title, ("questions", list(&map())), ("parameters", list(&map())), created, updated])
}

fn group() -> Value {
    object(&[
        ("collectGroupId", text()),
        ("surveyId", text()),
        ("name", text()),
        ("channel", one_of(&["PUBLIC_LINK", "PRIVATE_LINK", "EMAIL", "SMS", "ALIMTALK", "CONSUMER_PANEL"])),
        ("status", one_of(&["READY", "RUNNING", "PAUSED", "COMPLETED"])),
        ("targetCnt", nullable(&json!({"type": "integer"}))),
        ("startedAt", nullable(&text())),
        ("completedAt", nullable(&text())),
        ("isUsingHmac", truth()),
        ("createdAt", text()),
        ("updatedAt", text()),
    ])
}

fn surveys() -> Vec<Operation> {
    let page = object(&[("surveys", list(&object(&brief()))), ("nextSurveyId", nullable(&text()))]);
    vec![
        key("get", "/v1/surveys", "A page of surveys, newest first")
            .query("collectGroupsStatus", one_of(&["RUNNING"]), "Only surveys that collect now")
            .query("nextSurveyId", text(), "The first survey of the page")
            .gives(page),
        key("get", "/v1/surveys/{surveyId}", "A survey with its questions").gives(survey()),
        key("get", "/v1/surveys/{surveyId}/collect-groups", "Its collect groups, oldest first").gives(list(&group())),
        key("get", "/v1/collect-groups/{collectGroupId}", "A collect group").gives(group()),
        key("post", "/v1/collect-groups/{collectGroupId}/response-urls", "Links with values for respondents")
            .json_of(list(&json!({"type": "object"})))
            .gives(list(&text())),
        key("get", "/v1/collect-groups/{collectGroupId}/serial", "What its links are called").gives(text()),
        Operation::dataspace("Dataspace respondents", "get", "/r/{serial}/form", "A survey to fill in, with its token").open().gives(map()),
        Operation::dataspace("Dataspace respondents", "post", "/r/{serial}/answers", "Submit a sheet, once")
            .open()
            .json_of(map())
            .gives(object(&[("answerSheetId", text()), ("submittedAt", text())])),
    ]
}

fn panels() -> Vec<Operation> {
    let panel = || {
        object(&[
            ("panelId", text()),
            ("uid", nullable(&text())),
            ("name", nullable(&text())),
            ("countryCode", nullable(&json!({"type": "integer"}))),
            ("cellphone", nullable(&text())),
            ("email", nullable(&text())),
            ("isSmsOptOut", truth()),
            ("isEmailOptOut", truth()),
            ("profileMaps", map()),
        ])
    };
    let by = |operation: Operation| operation.query("email", text(), "The operator's address, for the audit; required");
    let page = object(&[("panels", list(&panel())), ("nextPanelId", nullable(&text()))]);
    vec![
        by(key("post", "/v1/panels", "A new panel")).json_of(map()).gives(panel()),
        by(key("get", "/v1/panels", "A page of panels, unmasked"))
            .query("remark", text(), "Why they are looked at; required")
            .query("panelId", text(), "The first panel of the page")
            .gives(page),
        by(key("put", "/v1/panels/{panelId}", "Change what is given")).json_of(map()).gives(panel()),
        by(key("patch", "/v1/panels/{panelId}", "Change what is given")).json_of(map()).gives(panel()),
        by(key("delete", "/v1/panels/{panelId}", "Remove a panel; its values are erased")).gives(text()),
    ]
}

fn profiles() -> Vec<Operation> {
    const VARIABLES: &str = "/v1/profile-variables";
    const VARIABLE: &str = "/v1/profile-variables/{profileVariableId}";
    const OPTIONS: &str = "/v1/profile-variables/{profileVariableId}/options";
    const OPTION: &str = "/v1/profile-variables/{profileVariableId}/options/{profileVariableOptionId}";
    let name = || object(&[("name", text())]);
    let variable = || object(&[("profileVariableId", text()), ("name", text())]);
    let option = || object(&[("profileVariableOptionId", text()), ("profileVariableId", text()), ("name", text())]);
    let variables = object(&[("profileVariables", list(&variable())), ("nextProfileVariableId", nullable(&text()))]);
    let options = object(&[("profileVariableOptions", list(&option())), ("nextProfileVariableOptionId", nullable(&text()))]);
    vec![
        key("post", VARIABLES, "A new profile variable").json_of(name()).gives(variable()),
        key("get", VARIABLES, "A page of profile variables").query("profileVariableId", text(), "The first of the page").gives(variables),
        key("put", VARIABLE, "Rename a profile variable").json_of(name()).gives(variable()),
        key("patch", VARIABLE, "Rename a profile variable").json_of(name()).gives(variable()),
        key("delete", VARIABLE, "Remove a profile variable, from panels too").gives(text()),
        key("post", OPTIONS, "A new option").json_of(name()).gives(option()),
        key("get", OPTIONS, "A page of options").query("profileVariableOptionId", text(), "The first of the page").gives(options),
        key("put", OPTION, "Rename an option").json_of(name()).gives(option()),
        key("patch", OPTION, "Rename an option").json_of(name()).gives(option()),
        key("delete", OPTION, "Remove an option, from panels too").gives(text()),
    ]
}

fn responses() -> Vec<Operation> {
    let asked = |operation: Operation| {
        operation
            .query("surveyId", text(), "Required")
            .query("startDateTime", text(), "Submitted strictly after it")
            .query("endDateTime", text(), "Submitted up to and including it")
            .query("pageToken", text(), "Of the page before")
    };
    let sheets = || object(&[("answerSheets", list(&map())), ("pageToken", nullable(&text()))]);
    vec![
        asked(key("get", "/v1/responses", "A page of responses, newest first")).gives(object(&[
            ("surveyId", text()),
            ("responses", list(&map())),
            ("pageToken", nullable(&text())),
        ])),
        asked(key("get", "/v1/responses/metadata", "The same sheets: who, when, with which values")).gives(sheets()),
        asked(key("get", "/v1/answer-sheets", "The same sheets: who, when, with which values")).gives(sheets()),
    ]
}

fn spaces() -> Vec<Operation> {
    let space = || {
        object(&[
            ("spaceId", text()),
            ("name", text()),
            ("responseDomain", text()),
            ("zone", text()),
            ("apiAccess", truth()),
            ("createdAt", text()),
        ])
    };
    let members = || object(&[("members", list(&map()))]);
    let api_key = || object(&[("spaceId", text()), ("apiKey", text())]);
    let hmac_key = || object(&[("spaceId", text()), ("hmacKey", text())]);
    vec![
        author("post", "", "A new space").json_of(map()).gives(space()),
        author("get", "", "The caller's spaces").gives(object(&[("spaces", list(&space()))])),
        author("get", "/{spaceId}", "A space").gives(space()),
        author("put", "/{spaceId}", "Change what a space says of itself").json_of(map()).gives(space()),
        author("get", "/{spaceId}/members", "Its members and their roles").gives(members()),
        author("put", "/{spaceId}/members", "Replace its members").json_of(members()).gives(members()),
        author("get", "/{spaceId}/api-key", "Its API key").gives(api_key()),
        author("post", "/{spaceId}/api-key", "A new API key; the old one opens nothing").gives(api_key()),
        author("get", "/{spaceId}/hmac-key", "Its HMAC key").gives(hmac_key()),
        author("post", "/{spaceId}/hmac-key", "A new HMAC key").gives(hmac_key()),
    ]
}

fn authoring() -> Vec<Operation> {
    let files = |operation: Operation| operation.body(&[("application/json", map()), ("text/csv", text())]);
    let answers = |operation: Operation| operation.body(&[("application/x-ndjson", text()), ("text/csv", text())]);
    let report = || object(&[("accepted", whole(0, 1 << 32)), ("refused", whole(0, 1 << 32)), ("problems", list(&map()))]);
    vec![
        author("post", "/{spaceId}/surveys", "A new survey").json_of(map()).gives(survey()),
        author("get", "/{spaceId}/surveys", "A page of surveys").query("nextSurveyId", text(), "The first of the page").gives(map()),
        files(author("post", "/{spaceId}/surveys/import", "A new survey from a file")).query("title", text(), "Of CSV").gives(survey()),
        author("get", "/{spaceId}/surveys/{surveyId}", "A survey").gives(survey()),
        author("put", "/{spaceId}/surveys/{surveyId}", "Replace a survey that has not started").json_of(map()).gives(survey()),
        author("delete", "/{spaceId}/surveys/{surveyId}", "Remove a survey that has not started").gives(text()),
        author("get", "/{spaceId}/surveys/{surveyId}/export", "A survey as a file").gives(survey()),
        author("get", "/{spaceId}/surveys/{surveyId}/collect-groups", "Its collect groups").gives(list(&group())),
        author("post", "/{spaceId}/surveys/{surveyId}/collect-groups", "A new collect group").json_of(map()).gives(group()),
        answers(author("post", "/{spaceId}/surveys/{surveyId}/responses/import", "Answers from a file"))
            .query("collectGroupId", text(), "The group that they belong to")
            .gives(report()),
        author("get", "/{spaceId}/surveys/{surveyId}/responses/export", "All answers as a file")
            .query("format", one_of(&["csv", "xlsx", "json"]), "")
            .query("includePersonal", truth(), "Originals, for the role privacy")
            .query("remark", text(), "Why originals are exported")
            .gives_types(&[
                ("text/csv", text()),
                ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", text()),
                ("application/x-ndjson", text()),
            ]),
        author("get", "/{spaceId}/surveys/{surveyId}/dataset", "Its answers as a table: where, and how it stands").gives(live()),
        author("put", "/{spaceId}/surveys/{surveyId}/dataset", "Keep its answers as a table of a collection, or move that")
            .json_of(object(&[("collectionId", text())]))
            .gives(live()),
        author("delete", "/{spaceId}/surveys/{surveyId}/dataset", "No new answers for the table, which stays").gives(live()),
        author("put", "/{spaceId}/collect-groups/{collectGroupId}", "Change a group that is READY").json_of(map()).gives(group()),
        author("post", "/{spaceId}/collect-groups/{collectGroupId}/start", "Start, or go on").gives(group()),
        author("post", "/{spaceId}/collect-groups/{collectGroupId}/pause", "Pause").gives(group()),
        author("post", "/{spaceId}/collect-groups/{collectGroupId}/complete", "Complete, for good").gives(group()),
        author("get", "/{spaceId}/collect-groups/{collectGroupId}/qr", "Its link as a QR code")
            .query("format", one_of(&["svg", "png"]), "Before what `Accept` says")
            .gives_types(&[("image/svg+xml", text()), ("image/png", text())]),
        author("get", "/{spaceId}/panels", "A page of panels, masked").query("panelId", text(), "The first of the page").gives(map()),
        author("post", "/{spaceId}/panels/import", "Panels from a file").body(&[("text/csv", text())]).gives(report()),
    ]
}

fn live() -> Value {
    object(&[
        ("datasetId", text()),
        ("tableId", text()),
        ("resourceId", text()),
        ("collectionId", text()),
        ("status", one_of(&["FILLING", "LIVE", "STOPPED", "LOST"])),
        ("waitingCnt", whole(0, 10_000)),
    ])
}

fn guarding() -> Vec<Operation> {
    let days = || object(&[("personalInfoDays", whole(1, 300))]);
    let webhook = || object(&[("url", nullable(&text()))]);
    vec![
        author("post", "/{spaceId}/erasures", "Erase one person; answers the certificate").json_of(map()).gives(map()),
        author("get", "/{spaceId}/retention", "How long personal-info answers are kept").gives(days()),
        author("put", "/{spaceId}/retention", "Say how long personal-info answers are kept").json_of(days()).gives(days()),
        author("get", "/{spaceId}/audit", "Who worked with personal data, newest first")
            .query("from", text(), "")
            .query("to", text(), "")
            .query("panelId", text(), "")
            .query("next", text(), "Of the page before")
            .gives(map()),
        author("get", "/{spaceId}/webhook", "Where events go").gives(webhook()),
        author("put", "/{spaceId}/webhook", "Say where events go").json_of(map()).gives(webhook()),
        author("get", "/{spaceId}/webhook/deliveries", "A page of events, newest first")
            .query("next", text(), "Of the page before")
            .gives(map()),
        author("post", "/{spaceId}/webhook/deliveries/{deliveryId}/redeliver", "Send an event again").gives(map()),
        author("post", "/{spaceId}/webhook/test", "Send an event that tells of nothing").gives(map()),
    ]
}

/// What respondents see.
fn pages() -> Vec<Operation> {
    let file = |path: &str, kind: &str, summary| {
        Operation::new("Dataspace respondents", "get", path, summary).open().gives_types(&[(kind, text())])
    };
    vec![
        Operation::page("get", "/r/{serial}", "A survey to fill in, as a page"),
        Operation::page("post", "/r/{serial}", "Keep a sheet, go a step on or back, or submit it, as a form does")
            .body(&[("application/x-www-form-urlencoded", map())])
            .also(204, "Kept.")
            .also(303, "Submitted; the way to the thanks.")
            .also(422, "The same page, with what has to be looked at again."),
        Operation::page("get", "/r/{serial}/thanks", "What is said in the end"),
        file("/r/page/style.css", "text/css", "The stylesheet of the pages"),
        file("/r/page/script.js", "text/javascript", "The script of the pages"),
    ]
}

/// The body of every refusal.
pub(super) fn schemas() -> Vec<(String, Value)> {
    vec![("DataspaceRefusal".to_owned(), object(&[("code", text()), ("message", text()), ("field", nullable(&text()))]))]
}
