//! The Spec Store.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{anything, bytes, count, list, map, named, nullable, object, one_of, request, text, truth, whole},
};

pub(super) fn operations() -> Vec<Operation> {
    specs().into_iter().chain(issuer()).chain(files()).chain(metastore()).collect()
}

fn specs() -> Vec<Operation> {
    let new = |method, path: &str, summary| Operation::spec_store("Source specs", method, &format!("/source{path}"), summary);
    let revision = "/{owner}/{dataset}/{revision}";
    let uploaded = || named("SpecUploaded");
    let report = request(
        &["event"],
        &[
            ("pipeline", text()),
            ("pipeline_id", text()),
            ("event", text()),
            ("success", truth()),
            ("errors", list(&text())),
            ("stats", map()),
            ("log", list(&text())),
        ],
    );
    let page = |of, item: Value| object(&[(of, list(&item)), ("next", nullable(&text()))]);
    vec![
        new("post", "/upload", "Keep a spec as a new revision; what is wrong with it is told with status 200")
            .json_of(map())
            .gives(uploaded()),
        new("post", "/update", "A runner elsewhere reports an event of a pipeline").open().json_of(report).gives(reported()),
        new("get", "/{owner}", "An owner's datasets")
            .open()
            .query("after", text(), "Only datasets after this name")
            .query("limit", whole(1, 1_000), "")
            .gives(page("datasets", map())),
        new("get", "/{owner}/{dataset}", "A dataset and its revisions, the newest first")
            .open()
            .query("before", count(), "Only revisions before this number")
            .query("limit", whole(1, 1_000), "")
            .gives(object(&[("dataset", map()), ("revisions", list(&map())), ("next", nullable(&count()))])),
        new("delete", "/{owner}/{dataset}", "Remove a dataset").gives(object(&[
            ("success", truth()),
            ("dataset_id", text()),
            ("errors", list(&text())),
        ])),
        new("get", revision, "A revision: a number, latest or successful")
            .open()
            .query("wait", whole(0, 60), "Seconds to wait for its end")
            .gives(named("SpecRevision")),
        new("post", revision, "With `rerun` in the last place: a new revision of a spec that is there")
            .json_of(request(&[], &[("from", nullable(&count())), ("force", nullable(&truth()))]))
            .gives(uploaded())
            .may(405),
        new("post", &format!("{revision}/cancel"), "End what is open of a revision").gives(named("SpecRevision")),
    ]
}

fn issuer() -> Vec<Operation> {
    let new = |path: &str, summary| Operation::spec_store("Token issuer", "get", path, summary).open();
    let person = object(&[("userid", nullable(&text()))]);
    let resolved = object(&[("userid", nullable(&text())), ("packageid", nullable(&text()))]);
    vec![
        new("/auth/public-key", "The key that tokens are verified with").gives_types(&[("text/plain", text())]),
        new("/auth/check", "Who the caller is")
            .query("jwt", text(), "A token, if none is in the header")
            .query("next", text(), "Left aside")
            .gives(request(&["authenticated"], &[("authenticated", truth()), ("profile", map()), ("providers", map())])),
        new("/auth/authorize", "A token for a service; without permissions for whoever may have none")
            .query("service", text(), "`source`, `rawstore`, …")
            .query("jwt", text(), "A token, if none is in the header")
            .gives(request(&["permissions"], &[("userid", text()), ("permissions", map()), ("service", text()), ("token", text())])),
        new("/auth/resolve", "The id of the owner with a user name").query("username", text(), "").gives(person),
        new("/auth/get_profile", "What everybody may know of a user")
            .query("username", text(), "")
            .gives(object(&[("found", truth()), ("profile", nullable(&map()))])),
        new("/resolver/resolve", "The ids in user/package").query("path", text(), "").gives(resolved),
    ]
}

fn files() -> Vec<Operation> {
    let new = |method, path: &str, summary| Operation::spec_store("Source files", method, &format!("/rawstore{path}"), summary);
    let file = request(&["length", "md5"], &[("length", count()), ("md5", text()), ("type", text()), ("name", text())]);
    let metadata =
        request(&["owner"], &[("owner", text()), ("dataset", text()), ("findability", one_of(&["published", "unlisted", "private"]))]);
    let wanted = json!({"type": "object", "additionalProperties": file});
    let form = object(&[("policy", text()), ("x-madang-signature", text()), ("file", bytes())]);
    vec![
        new("post", "/authorize", "Where each file may be put, and whether it is there already")
            .json_of(request(&["metadata", "filedata"], &[("metadata", metadata), ("filedata", wanted)]))
            .gives(object(&[("filedata", map())])),
        new("get", "/presign", "A link to a private file that everybody may follow for a day")
            .query("ownerid", text(), "")
            .query("url", text(), "")
            .gives(object(&[("url", text())])),
        new("post", "/objects", "Send a file, with the permission that /rawstore/authorize gave")
            .open()
            .body(&[("multipart/form-data", form)])
            .gives_nothing(204),
        new("get", "/objects/{key}", "A source file or a file of a package, whole or in part")
            .open()
            .query("exp", text(), "Of a signed link")
            .query("sig", text(), "Of a signed link")
            .gives_types(&[("application/octet-stream", bytes())])
            .also(206, "The bytes that Range asked for.")
            .also(304, "The caller has them.")
            .also(416, "There are no such bytes."),
    ]
}

fn metastore() -> Vec<Operation> {
    let new = |path: &str, summary| Operation::spec_store("What there is", "get", path, summary).open();
    let found = || object(&[("results", list(&map())), ("summary", object(&[("total", count()), ("totalBytes", count())]))]);
    let search = |path, summary| {
        new(path, summary)
            .query("q", text(), "Words that all have to be there, at most ten")
            .query("datahub.ownerid", text(), "Of this owner alone")
            .query("size", whole(0, 100), "")
            .query("from", whole(0, 10_000), "How many are passed over")
            .gives(found())
    };
    let sum = |path, summary| {
        new(path, summary).query("findability", one_of(&["published", "unlisted", "private"]), "").gives(object(&[("totalBytes", count())]))
    };
    vec![
        search("/metastore/search", "Datasets by their last revision that succeeded, the latest first"),
        search("/metastore/search/events", "How flows ended, the latest first"),
        sum("/storage/owner/{owner}", "The bytes that an owner's revisions made"),
        sum("/storage/dataset_id/{owner}/{dataset}", "The bytes that a dataset's revisions made"),
        sum("/storage/flow_id/{owner}/{dataset}/{revision}", "The bytes that a revision made"),
    ]
}

fn reported() -> Value {
    object(&[
        ("status", nullable(&one_of(&["pending", "running", "success", "failed"]))),
        ("success", nullable(&one_of(&["pending", "success", "fail"]))),
        ("id", nullable(&text())),
        ("errors", nullable(&list(&text()))),
    ])
}

pub(super) fn schemas() -> Vec<(String, Value)> {
    let uploaded =
        object(&[("success", truth()), ("dataset_id", nullable(&text())), ("flow_id", nullable(&text())), ("errors", list(&text()))]);
    let revision = object(&[
        ("id", text()),
        ("spec_contents", map()),
        ("modified", text()),
        ("state", one_of(&["QUEUED", "INPROGRESS", "SUCCEEDED", "FAILED"])),
        ("logs", nullable(&list(&text()))),
        ("error_log", list(&text())),
        ("stats", nullable(&map())),
        ("pipelines", map()),
        ("certified", truth()),
    ]);
    let refused = object(&[("error", request(&["message"], &[("message", text())]))]);
    let refused = json!({"anyOf": [refused, reported(), {"required": ["errors"], "properties": {"errors": anything()}}]});
    vec![("SpecUploaded".to_owned(), uploaded), ("SpecRevision".to_owned(), revision), ("SpecRefusal".to_owned(), refused)]
}
