//! Tables of many kinds: what is read, what is reported, what steps make of it.

use madang_proto::pipeline::v1::{Findability, FlowSource};
use serde_json::{Value, json};

use crate::{
    house::{House, OWNER},
    plan::{flow, table},
};

fn fields(fields: &[(&str, &str)]) -> Value {
    json!({"fields": fields.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect::<Vec<_>>()})
}

/// The CSV that a source becomes, or why it becomes none; and its report.
async fn made(house: &House, revision: u32, source: FlowSource) -> (Result<String, Vec<String>>, Value) {
    let story = house.run(flow("tables", revision, Findability::Private, vec![source])).await;
    let stats: Value = serde_json::from_str(&story.ends[&format!("{OWNER}/tables/{revision}/validation_report")].stats).unwrap();
    let inner = house.at(&stats[".dpp"]["out-datapackage-url"]).await;
    let inner: Value = serde_json::from_slice(&inner).unwrap();
    let report: Value = serde_json::from_slice(&house.at(&inner["resources"][0]["path"]).await).unwrap();
    let end = &story.ends[&format!("{OWNER}/tables/{revision}/t_csv")];
    if !end.success {
        return (Err(end.errors.clone()), report[0].clone());
    }
    let inner = house.json(&format!("{OWNER}/tables/{revision}/t_csv/datapackage.json")).await;
    (Ok(String::from_utf8(house.at(&inner["resources"][0]["path"]).await).unwrap()), report[0].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_and_steps_are_followed() {
    let house = House::new().await;
    let plain = |text: &str, format: &str, schema: Value, options: Value, steps: Value| {
        let path = format!("/{}.{format}", madang_kit::Id::generate());
        let url = house.server.file(&path, text.as_bytes());
        FlowSource { tabulator: options.to_string(), steps: steps.to_string(), ..table("t", &url, format, &schema) }
    };
    let step = |run: &str, parameters: Value| json!([{"run": run, "parameters": parameters}]);
    let none = || json!([]);
    let ab = || fields(&[("a", "integer"), ("b", "string")]);
    let cases = [
        (
            "# two\n#rows\na;b\n1;'x;y'\n",
            "csv",
            ab(),
            json!({"delimiter": ";", "quotechar": "'", "skip_rows": ["#"]}),
            none(),
            "a,b\r\n1,x;y\r\n",
        ),
        ("noise\na,b\n1,x\n", "csv", ab(), json!({"headers": 2}), none(), "a,b\r\n1,x\r\n"),
        ("1,x\n2,\n", "csv", ab(), json!({"headers": ["a", "b"]}), none(), "a,b\r\n1,x\r\n2,\r\n"),
        ("a\tb\n1\t\"x\ty\"\n", "tsv", ab(), json!({}), none(), "a,b\r\n1,x\ty\r\n"),
        (r#"[{"a": 1, "b": "x"}, {"b": null, "a": 2}]"#, "json", ab(), json!({}), none(), "a,b\r\n1,x\r\n2,\r\n"),
        ("b,a\nx,1\n", "csv", ab(), json!({}), none(), "a,b\r\n1,x\r\n"),
        ("a,b\n170141183460469231731,x\n1,y\n", "csv", ab(), json!({}), none(), "a,b\r\n170141183460469231731,x\r\n1,y\r\n"),
        ("a,b\n2,x\n10,y\n1,x\n", "csv", ab(), json!({}), step("sort", json!({"sort-by": "{b}{a}"})), "a,b\r\n1,x\r\n2,x\r\n10,y\r\n"),
        ("a,b\n2,x\n10,y\n", "csv", ab(), json!({}), step("sort", json!({"sort-by": "a", "reverse": true})), "a,b\r\n10,y\r\n2,x\r\n"),
        (
            "a,b\n2,x\n10,y\n3,\n",
            "csv",
            ab(),
            json!({}),
            step("filter", json!({"in": [{"b": "x"}, {"a": 10}], "out": [{"a": 2}]})),
            "a,b\r\n10,y\r\n",
        ),
        (
            "a,b\n1,x-1\n",
            "csv",
            ab(),
            json!({}),
            step("find_replace", json!({"fields": [{"name": "b", "patterns": [{"find": "([a-z])-", "replace": "\\1+"}]}]})),
            "a,b\r\n1,x+1\r\n",
        ),
        ("a,b\n1,x\n", "csv", ab(), json!({}), step("delete_fields", json!({"fields": ["a"]})), "b\r\nx\r\n"),
        (
            "a,b\n1,2018-03-01\n",
            "csv",
            ab(),
            json!({}),
            step("set_types", json!({"types": {"a": {"type": "string"}, "b": {"type": "date"}}})),
            "a,b\r\n1,2018-03-01\r\n",
        ),
        (
            "a,b\n1,x\n2,\n",
            "csv",
            ab(),
            json!({}),
            step(
                "add_computed_field",
                json!({"fields": [
            {"operation": "sum", "target": "s", "source": ["a", "a"]}, {"operation": "format", "target": "f", "with": "{b}/{a}"},
            {"operation": "constant", "target": "c", "with": 5}, {"operation": "avg", "target": "m", "source": ["a"]}]}),
            ),
            "a,b,s,f,c,m\r\n1,x,2,x/1,5,1.0\r\n2,,4,/2,5,2.0\r\n",
        ),
        (
            "n,y2017,y2018\nx,1,2\nz,3,4\n",
            "csv",
            fields(&[("n", "string"), ("y2017", "integer"), ("y2018", "integer")]),
            json!({}),
            step(
                "unpivot",
                json!({
            "extraKeyFields": [{"name": "year", "type": "year"}], "extraValueField": {"name": "v", "type": "integer"},
            "unpivot": [{"name": "y([0-9]+)", "keys": {"year": "\\1"}}]}),
            ),
            "n,year,v\r\nx,2017,1\r\nx,2018,2\r\nz,2017,3\r\nz,2018,4\r\n",
        ),
        ("a,b\n1,x\n1,x\n2,x\n", "csv", ab(), json!({}), step("deduplicate", json!({})), "a,b\r\n1,x\r\n2,x\r\n"),
        ("a,b\n1,x\n", "csv", ab(), json!({}), step("sort", json!({"resources": "other", "sort-by": "nothing"})), "a,b\r\n1,x\r\n"),
    ];
    for (revision, (text, format, schema, options, steps, wanted)) in (1..).zip(cases) {
        let told = format!("{text:?} {options} {steps}");
        let (made, report) = made(&house, revision, plain(text, format, schema, options, steps)).await;
        assert_eq!(made.as_deref(), Ok(wanted), "{told}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_reported_with_its_place() {
    let house = House::new().await;
    let constrained = json!({"fields": [
        {"name": "a", "type": "integer", "constraints": {"required": true, "minimum": 2}},
        {"name": "b", "constraints": {"unique": true, "pattern": "[a-z]+", "enum": ["x", "y", "Z"], "maxLength": 1}},
    ], "primaryKey": "a", "missingValues": ["", "-"]});
    let text = "a,b\n1,x\n-,y\n3,Z\n4,x\n4,y\n\n5\n6,y,extra\n5\n";
    let url = house.server.file("/t.csv", text);
    let (csv, report) = made(&house, 1, table("t", &url, "csv", &constrained)).await;
    let first = "The value \"1\" in row 2 and column 1 does not conform to the minimum constraint of \"2\"";
    assert_eq!(csv, Err(vec!["create_csv".to_owned(), first.to_owned()]));
    let errors = report["tables"][0]["errors"].as_array().unwrap();
    let told: Vec<(&str, u64, u64)> = errors
        .iter()
        .map(|error| (error["code"].as_str().unwrap(), error["row-number"].as_u64().unwrap(), error["column-number"].as_u64().unwrap_or(0)))
        .collect();
    let wanted = [
        ("minimum-constraint", 2, 1),
        ("required-constraint", 3, 1),
        ("pattern-constraint", 4, 2),
        ("unique-constraint", 5, 2),
        ("unique-constraint", 6, 2),
        ("unique-constraint", 6, 0),
        ("blank-row", 7, 0),
        ("missing-value", 8, 2),
        ("extra-value", 9, 3),
        ("unique-constraint", 9, 2),
        ("missing-value", 10, 2),
        ("duplicate-row", 10, 0),
        ("unique-constraint", 10, 0),
    ];
    assert_eq!(told, wanted);
    assert_eq!((&report["valid"], &report["error-count"], &errors[0]["message"]), (&json!(false), &json!(13), &json!(first)));

    for (revision, (text, format, schema, code, why)) in (2..).zip([
        (
            "a,c\n1,x\n",
            "csv",
            fields(&[("a", "integer"), ("b", "string")]),
            "non-matching-header",
            "The field \"b\" of the schema is not in the header",
        ),
        (
            "a\n1\n",
            "csv",
            json!({"fields": [{"name": "a", "type": "colour"}]}),
            "schema-error",
            "Table Schema error: field \"a\": the type \"colour\" is not known",
        ),
        ("a\n1\n", "xls", fields(&[("a", "integer")]), "format-error", "Format \"xls\" can't be read in bounded memory; save it as XLSX"),
        ("a\n1\n", "xlsx", fields(&[("a", "integer")]), "source-error", ""),
    ]) {
        let url = house.server.file(&format!("/{revision}.{format}"), text);
        let (csv, report) = made(&house, revision, table("t", &url, format, &schema)).await;
        let errors = csv.expect_err("it can't be made");
        assert_eq!(report["tables"][0]["errors"][0]["code"], code, "{errors:?}");
        assert!(why.is_empty() || errors[1] == why, "{errors:?}");
    }
}

/// More rows than a preview holds, in both directions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_has_two_thousand_rows() {
    let house = House::new().await;
    let rows = (0..5_000).map(|n| format!("{n},x{n}")).collect::<Vec<_>>().join("\n");
    let url = house.server.file("/t.csv", format!("a,b\n{rows}\n"));
    let source = table("t", &url, "csv", &fields(&[("a", "integer"), ("b", "string")]));
    let story = house.run(flow("long", 1, Findability::Private, vec![source])).await;
    assert!(story.ends.values().all(|end| end.success), "{:?}", story.ends);
    let inner = house.json(&format!("{OWNER}/long/1/t_csv_preview/datapackage.json")).await;
    let preview: Value = serde_json::from_slice(&house.at(&inner["resources"][0]["path"]).await).unwrap();
    assert_eq!((preview.as_array().unwrap().len(), &preview[1_999]), (2_000, &json!({"a": 1_999, "b": "x1999"})));
    assert_eq!(
        inner["resources"][0]["datahub"],
        json!({"type": "derived/preview", "derivedFrom": ["t"], "forView": ["datahub-preview-t_csv_preview"]})
    );
}

/// Constraints in spellings of their own, years before 1000, names that SQLite does not tell apart: all is made, and published.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unusual_spellings_and_names_are_published() {
    let house = House::new().await;
    let schema = json!({"fields": [
        {"name": "Name"}, {"name": "name", "type": "boolean", "trueValues": ["예"], "falseValues": ["아니오"], "constraints": {"enum": ["예"]}},
        {"name": "day", "type": "date", "format": "%d/%m/%Y", "constraints": {"minimum": "01/01/2000", "pattern": "[0-9/]+"}},
        {"name": "year", "type": "year", "constraints": {"minimum": "0700"}},
        {"name": "much", "type": "number", "decimalChar": ",", "constraints": {"minimum": 1.5}},
        {"name": " blank ", "constraints": {"required": true}},
    ], "primaryKey": "year"});
    let url = house.server.file("/t.csv", "x,예,02/01/2000,0800,\"1,5\",\n");
    let source = FlowSource {
        tabulator: json!({"headers": ["Name", "name", "day", "year", "much", " blank "]}).to_string(),
        ..table("t", &url, "csv", &json!({"missingValues": ["-"], "fields": schema["fields"], "primaryKey": "year"}))
    };
    let upper = FlowSource { path: "archive/T2.csv".to_owned(), ..table("T", &url, "csv", &schema) };
    let upper = FlowSource { tabulator: source.tabulator.clone(), schema: source.schema.clone(), ..upper };
    let reserved = table("sqlite_x", &house.server.file("/x.csv", "a\n1\n"), "csv", &fields(&[("a", "integer")]));
    let named: Vec<Value> = schema["fields"].as_array().unwrap()[1..5].to_vec();
    let usual =
        table("u", &house.server.file("/u.csv", "name,day,year,much\n예,02/01/2000,0800,\"1,5\"\n"), "csv", &json!({"fields": named}));
    let story = house.run(flow("odd", 1, Findability::Published, vec![source, upper, reserved, usual])).await;
    assert!(story.ends.values().all(|end| end.success), "{:?}", story.ends);
    let package = house.json(&format!("{OWNER}/odd/1/datapackage.json")).await;
    let of = |name: &str| package["resources"].as_array().unwrap().iter().find(|resource| resource["name"] == name).unwrap().clone();
    let csv = of("t_csv");
    let text = String::from_utf8(house.at(&csv["path"]).await).unwrap();
    assert_eq!(text, "Name,name,day,year,much, blank \r\nx,true,2000-01-02,0800,1.5,\r\n");
    let constraints: Vec<&Value> = csv["schema"]["fields"].as_array().unwrap().iter().map(|field| &field["constraints"]).collect();
    assert_eq!(
        constraints[1..5],
        [&json!({"enum": [true]}), &json!({"minimum": "2000-01-01"}), &json!({"minimum": "0700"}), &json!({"minimum": 1.5})]
    );
    let sqlite = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); print(sorted(r[0] for r in d.execute('SELECT name FROM sqlite_master')), \
        [c[0] for c in d.execute('SELECT * FROM t').description], d.execute('SELECT year FROM T_2').fetchall())";
    let sqlite = crate::python::ask(&house.at(&of("odd_sqlite")["path"]).await, sqlite);
    assert_eq!(sqlite, "['T_2', '_sqlite_x', 't', 'u'] ['Name', 'name_2', 'day', 'year', 'much', ' blank '] [(800,)]");
    let shown = house.act(false, "package_show", &json!({"id": story.published})).await.expect("published");
    let id = &shown["resources"].as_array().unwrap().iter().find(|resource| resource["name"] == "u_csv").unwrap()["id"];
    let rows = house.act(false, "datastore_search", &json!({"resource_id": id})).await.expect("rows");
    assert_eq!((&rows["records"][0]["year"], &rows["records"][0]["name"]), (&json!(800), &json!(true)));
}

/// What is more than a database holds fails, with its reason; the report is made all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_too_wide_for_sqlite_says_so() {
    let house = House::new().await;
    let names: Vec<String> = (0..2_001).map(|at| format!("c{at}")).collect();
    let schema = json!({"fields": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()});
    let url = house.server.file("/t.csv", format!("{}\n{}\n", names.join(","), vec!["x"; 2_000].join(",")));
    let story = house.run(flow("wide", 1, Findability::Private, vec![table("t", &url, "csv", &schema)])).await;
    let end = &story.ends[&format!("{OWNER}/wide/1/wide_sqlite")];
    assert_eq!(end.errors, ["create_sqlite", "The table \"t\" has 2001 columns; SQLite holds 2000"]);
    let inner = house.json(&format!("{OWNER}/wide/1/validation_report/datapackage.json")).await;
    let report: Value = serde_json::from_slice(&house.at(&inner["resources"][0]["path"]).await).unwrap();
    assert_eq!(report[0]["tables"][0]["errors"][0]["row"].as_array().unwrap().len(), 50, "an error shows the beginning of its row");
}
