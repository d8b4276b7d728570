//! The counts, ids, titles and dependencies of spec-store.md 4.2, and what is refused.

use madang_proto::pipeline::v1::{ArtifactKind, FlowArtifact, SourceKind};
use serde_json::{Map, Value, json};

use super::Package;
use crate::spec::{Name, Refused};

const FILES: &str = "http://hub/rawstore/objects/";

fn read(spec: Value) -> Result<Package, Refused> {
    let Value::Object(spec) = spec else { unreachable!("an object") };
    Package::read(&Name { owner_id: "0e9b59".to_owned(), dataset: "waters".to_owned() }, &spec, FILES)
}

fn plan(spec: Value) -> Vec<FlowArtifact> {
    read(spec).expect("a good spec").artifacts("0e9b59/waters/3")
}

/// A spec over these resources.
#[expect(clippy::needless_pass_by_value, reason = "what is written down here is not used again")]
fn spec(resources: Value) -> Value {
    json!({"inputs": [{"kind": "datapackage", "url": "https://x.org/ab/datapackage.json", "parameters": {
        "descriptor": {"name": "waters", "title": "Waters", "resources": resources}}}]})
}

fn table(name: &str) -> Value {
    json!({"name": name, "path": format!("data/{name}.csv"), "schema": {"fields": [{"name": "a", "type": "string"}]}})
}

/// The spec with something more at its root.
fn with(mut spec: Value, key: &str, value: Value) -> Value {
    spec[key] = value;
    spec
}

#[test]
fn one_table_is_seven_pipelines() {
    let rows: Vec<_> = plan(spec(json!([table("rivers")])))
        .into_iter()
        .map(|artifact| (artifact.pipeline_id.clone(), artifact.title.clone(), artifact.kind(), artifact.depends_on))
        .collect();
    let id = |name: &str| format!("0e9b59/waters/3/{name}");
    let row =
        |name: &str, title: &str, kind, on: &[&str]| (id(name), title.to_owned(), kind, on.iter().map(|on| id(on)).collect::<Vec<_>>());
    let all = ["validation_report", "rivers_csv", "rivers_json", "waters_zip", "rivers_csv_preview", "rivers"];
    let mut package = row("", "Creating Package", ArtifactKind::Package, &all);
    "0e9b59/waters/3".clone_into(&mut package.0);
    assert_eq!(
        rows,
        [
            row("validation_report", "Validating package contents", ArtifactKind::Report, &[]),
            row("rivers_csv", "Creating CSV", ArtifactKind::Csv, &[]),
            row("rivers_json", "Creating JSON", ArtifactKind::Json, &[]),
            row("waters_zip", "Creating ZIP", ArtifactKind::Zip, &["validation_report", "rivers_csv", "rivers_json"]),
            row("rivers_csv_preview", "Generating views", ArtifactKind::Preview, &["rivers_csv"]),
            row("rivers", "Copying source data", ArtifactKind::Copy, &[]),
            package,
        ]
    );
}

#[test]
fn the_counts_are_as_documented() {
    let tables = |number: usize| json!((0..number).map(|number| table(&format!("t{number}"))).collect::<Vec<_>>());
    for (resources, pipelines) in [
        (json!([]), 3),
        (tables(1), 7),
        (tables(2), 11),
        (tables(3), 15),
        (json!([{"name": "pdf", "path": "a.pdf"}]), 4),
        (json!([table("a"), {"name": "map", "path": "map.geojson", "schema": {"fields": []}}]), 8),
    ] {
        assert_eq!(plan(spec(resources.clone())).len(), pipelines, "{resources}");
    }
    let both = json!([{"kind": "parquet"}, {"kind": "sqlite"}, {"kind": "npm"}]);
    assert_eq!(plan(with(spec(tables(2)), "outputs", both)).len(), 11 + 2 + 1);
}

#[test]
fn resources_are_classified() {
    let resources = json!([
        table("rivers"),
        {"name": "map", "path": "map.geojson", "schema": {"fields": []}},
        {"name": "made", "path": "made.csv", "datahub": {"type": "derived/csv"}},
        {"name": "far", "path": ["https://y.org/far.TSV?sig=1", "b"], "format": "TSV"},
    ]);
    let mut spec = spec(resources);
    spec["inputs"][0]["parameters"]["resource-mapping"] = json!({
        "data/rivers.csv": format!("{FILES}0e9b59/w/rivers.csv/0a/rivers%20a.csv?sig=1"),
        "map": format!("{FILES}other/w/map/0a/map.geojson"),
    });
    let package = read(spec).expect("good");
    assert!(!package.descriptor.contains_key("resources"));
    let sources: Vec<_> =
        package.sources.iter().map(|s| (s.name.as_str(), s.url.as_str(), s.format.as_str(), s.path.as_str(), s.kind())).collect();
    assert_eq!(
        sources,
        [
            ("rivers", "upload:0e9b59/w/rivers.csv/0a/rivers a.csv", "csv", "archive/rivers.csv", SourceKind::Tabular),
            ("rivers_original", "upload:0e9b59/w/rivers.csv/0a/rivers a.csv", "csv", "archive/rivers.csv", SourceKind::Original),
            ("map", "http://hub/rawstore/objects/other/w/map/0a/map.geojson", "geojson", "archive/map.geojson", SourceKind::NonTabular),
            ("far", "https://y.org/far.TSV?sig=1", "tsv", "archive/far.tsv", SourceKind::NonTabular),
        ]
    );
    let map: Value = serde_json::from_str(&package.sources[2].resource).expect("JSON");
    assert!(map.get("schema").is_none() && map.get("geojsonSchema").is_some(), "{map}");
}

#[test]
fn relative_paths_stand_beside_the_descriptor() {
    let package = read(spec(json!([table("rivers")]))).expect("good");
    assert_eq!(package.sources[0].url, "https://x.org/ab/data/rivers.csv");
}

#[test]
fn processing_makes_tables_of_sheets() {
    let spec = with(
        spec(json!([{"name": "book", "path": "book.xlsx"}, table("rivers")])),
        "processing",
        json!([
            {"input": "book", "output": "book-sheet-1", "tabulator": {"sheet": 1}, "schema": {"fields": [{"name": "a"}]}},
            {"input": "book", "output": "book-sheet-2", "tabulator": {"sheet": 2, "headers": 3}, "schema": {"fields": []},
             "dpp": [{"run": "sort", "parameters": {"sort-by": "{b}"}}]},
            {"input": "rivers", "output": "rivers", "tabulator": {"delimiter": ";"}},
        ]),
    );
    let spec = with(spec, "outputs", json!([{"kind": "zip", "parameters": {"out-file": "my.book.zip"}}]));
    let package = read(spec.clone()).expect("good");
    let names: Vec<_> = package.sources.iter().map(|source| (source.name.as_str(), source.kind())).collect();
    assert_eq!(
        names,
        [
            ("book_original", SourceKind::Original),
            ("rivers_original", SourceKind::Original),
            ("book-sheet-1", SourceKind::Tabular),
            ("book-sheet-2", SourceKind::Tabular),
            ("rivers", SourceKind::Tabular),
        ]
    );
    let last = package.sources.last().expect("one");
    assert!(last.tabulator.contains(';') && last.schema.contains("\"a\""), "{last:?}");
    let zip = plan(spec).into_iter().find(|artifact| artifact.kind() == ArtifactKind::Zip).expect("one");
    assert_eq!((zip.pipeline_id.as_str(), zip.file_name.as_str()), ("0e9b59/waters/3/my_book_zip", "my.book.zip"));
}

#[test]
fn what_does_not_hold_is_refused() {
    let other = |text: &str| Refused::Other(text.to_owned());
    let one = || other("Only supporting one input atm");
    let good = || spec(json!([table("rivers")]));
    let input = |key: &str, value: Value| {
        let mut spec = good();
        spec["inputs"][0][key] = value;
        spec
    };
    let without = |key: &str| {
        let mut spec = good();
        spec["inputs"][0].as_object_mut().map(|input: &mut Map<String, Value>| input.remove(key));
        spec
    };
    let named = |name: Value| spec(json!([{"name": name, "path": "a.csv"}]));
    let at = |path: Value| spec(json!([{"name": "a", "path": path}]));
    let mapped = |url: &str| {
        let mut spec = good();
        spec["inputs"][0]["parameters"]["resource-mapping"] = json!({"rivers": url});
        spec
    };
    let step = |run: &str| with(good(), "processing", json!([{"input": "rivers", "output": "x", "dpp": [{"run": run}]}]));
    let many: Vec<Value> = (0..10_000).map(|number| table(&format!("t{number}"))).collect();
    for (spec, refusal) in [
        (with(good(), "inputs", json!(null)), one()),
        (with(good(), "inputs", json!([])), one()),
        (with(good(), "inputs", json!([{}, {}])), one()),
        (with(good(), "inputs", json!("x")), Refused::Value),
        (input("kind", json!("csv")), other("Only supporting datapackage inputs atm")),
        (without("kind"), other("'kind'")),
        (without("url"), other("'url'")),
        (without("parameters"), other("'parameters'")),
        (input("parameters", json!({})), other("'descriptor'")),
        (with(good(), "outputs", json!([{"kind": "zip"}])), other("'parameters'")),
        (with(good(), "outputs", json!([{"kind": "zip", "parameters": {}}])), other("'out-file'")),
        (with(good(), "outputs", json!([{"kind": "zip", "parameters": {"out-file": "../x.zip"}}])), Refused::Value),
        (spec(json!([{"path": "a.csv"}])), other("'name'")),
        (spec(json!([{"name": "a"}])), other("'path'")),
        (spec(json!([1])), Refused::Value),
        (named(json!("../../etc/passwd")), Refused::Value),
        (named(json!("a/b")), Refused::Value),
        (named(json!(".hidden")), Refused::Value),
        (named(json!("a\u{0}")), Refused::Value),
        (named(json!(7)), Refused::Value),
        (at(json!("../secret.csv")), Refused::Value),
        (at(json!([])), Refused::Value),
        (mapped("file:///etc/passwd"), Refused::Value),
        (mapped("upload:other/private/key"), Refused::Value),
        (mapped("gopher://x/"), Refused::Value),
        (spec(json!([table("a"), table("a")])), Refused::Value),
        (spec(json!([table("a"), table("a_csv")])), Refused::Value),
        (step("dump_to_path"), Refused::Value),
        (with(good(), "processing", json!([{"input": "nothing", "output": "x"}])), Refused::Value),
        (with(good(), "processing", json!([{"input": "rivers"}])), other("'output'")),
        (spec(json!(many)), other("At most 1000 resources are supported")),
    ] {
        let shown: String = spec.to_string().chars().take(300).collect();
        assert_eq!(read(spec).map(|package| package.sources).expect_err(&shown), refusal, "{shown}");
    }
    assert!(read(step("sort")).is_ok());
}

/// Each entry of `processing` repeats its resource: a long description must not become gigabytes.
#[test]
fn processing_does_not_multiply_what_a_resource_says() {
    let mut long = table("a");
    long["description"] = "x".repeat(3_000_000).into();
    let entries: Vec<_> = (0..1_000).map(|at| json!({"input": "a", "output": format!("b{at}")})).collect();
    let refused = read(with(spec(json!([long])), "processing", entries.clone().into())).expect_err("too much");
    assert!(matches!(&refused, Refused::Other(text) if text.contains("processing")), "{refused:?}");
    assert!(read(with(spec(json!([table("a")])), "processing", entries.into())).is_ok(), "many small ones are good");
}
