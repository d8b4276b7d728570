//! JSON files: objects in an array or one after the other become rows; what can't is refused by row and column.

use madang_lake::{ColumnType, CommitInfo, Error, Format, Lake, Limits};
use serde_json::{Value, json};

use crate::support::{TestLake, described, limit, refusal, schema, table_id};

#[tokio::test]
async fn an_array_and_lines_are_the_same_table() {
    let lake = TestLake::new();
    let objects =
        [r#"{"n":1,"road":"강남\"대로","at":"2026-03-01T05:00:00Z"}"#, r#"{"road":"","n":null}"#, r#"{"n":-3,"extra":[1,{"a":2}]}"#];
    for text in [format!("[{}]", objects.join(",\n")), objects.join("\n"), format!("\u{feff}{}", objects.join("\r\n"))] {
        let found = lake.inspect_as(Format::Json, &text).await.unwrap();
        assert_eq!(described(&found), "n:int64? road:string? at:timestamp? extra:string?");
        assert_eq!(found.rows, 3);
        let rows = lake.load_as(Format::Json, &text).await;
        let wanted = [
            json!([1, "강남\"대로", "2026-03-01T05:00:00Z", null]),
            json!([null, "", null, null]),
            json!([-3, null, null, "[1,{\"a\":2}]"]),
        ];
        assert_eq!(lake.rows(&rows).await, wanted);
    }
}

#[tokio::test]
async fn types_are_those_of_the_values() {
    let lake = TestLake::new();
    let table = [
        ("1,2,-3", "int64"),
        ("1,2.5", "double"),
        ("1e2", "double"),
        ("1,\"2\"", "string"),
        ("\"1\",\"2\"", "string"),
        ("true,false", "bool"),
        ("true,1", "string"),
        ("\"true\"", "string"),
        ("\"2026-03-01\",\"1999-12-31\"", "date32"),
        ("\"2026-03-01T05:00:00\"", "timestamp_ntz"),
        ("\"2026-03-01\",20", "string"),
        ("{},1", "string"),
        ("9007199254740993,0.5", "string"),
        ("18446744073709551615", "string"),
        ("null", "string"),
    ];
    for (values, kind) in table {
        let objects: Vec<_> = values.split(',').map(|value| format!("{{\"c\":{value}}}")).collect();
        let found = lake.inspect_as(Format::Json, objects.join("\n")).await.unwrap();
        assert_eq!(found.schema.columns[0].kind.name(), kind, "{values}");
    }
}

#[tokio::test]
async fn later_files_must_fit() {
    let lake = TestLake::new();
    let columns = schema(&[("n", ColumnType::Int64, true), ("t", ColumnType::String, true), ("k", ColumnType::Date, false)]);
    let stage = |text: &'static str| lake.stage_as(Format::Json, text, &columns);
    let good = stage(r#"[{"k":"2026-03-01","t":12,"n":"7"},{"k":"2026-03-02","t":true}]"#).await.unwrap();
    assert_eq!((good.rows(), good.columns), (2, 3));
    for (text, why) in [
        (r#"{"k":"2026-03-01"}{"k":"2026-03-01","n":1.5}"#, "row 2, column 'n': '1.5' does not fit int64"),
        (r#"{"k":"2026-03-01","n":""}"#, "row 1, column 'n': an empty text does not fit int64"),
        (r#"{"n":1}"#, "row 1, column 'k': it must not be empty"),
        (r#"{"k":"2026-03-01","x":1}"#, "row 1, column 'x': the table has no such column"),
        (r#"{"k":"2026-03-01","k":"2026-03-01"}"#, "row 1, column 'k': the key appears twice"),
        (r#"{"k":"2026-03-01","t":"a\u0000b"}"#, "row 1, column 't': a text can't hold NUL"),
        (r#"{"k":"2026-03-01","t":"\ud800"}"#, "row 1, column 't': the text can't be read: "),
        (r#"{"k":"2026-03-01",}"#, "row 1: it is not valid JSON: "),
        (r#"[{"k":"2026-03-01"},7]"#, "row 2: it is not an object"),
    ] {
        let told = refusal(stage(text).await);
        assert!(told.starts_with(why), "{text}: {told}");
    }
    assert_eq!(stage("[]").await.unwrap().rows(), 0);
}

#[tokio::test]
async fn limits_hold() {
    let lake = TestLake::new();
    let limits = Limits { columns: 3, cell_bytes: 100, depth: 4, ..Limits::default() };
    let inspect = |text: String| {
        let (input, limits) = (lake.input(Format::Json, text), limits);
        let engine = &lake.engine;
        async move { engine.inspect(&input, &limits).await }
    };
    let many = limit(inspect(r#"{"a":1,"b":1}{"c":1}{"d":1}"#.to_owned()).await);
    assert_eq!(many, "the objects have more than 3 keys, which is the limit");
    assert!(limit(inspect(r#"{"a":1,"b":1,"c":1,"d":1}"#.to_owned()).await).starts_with("row 1 has more than 3 keys"));
    assert!(limit(inspect(format!(r#"{{"a":"{}"}}"#, "x".repeat(101))).await).starts_with("row 1: the cell in column 'a'"));
    assert!(limit(inspect(r#"{"a":[[[[1]]]]}"#.to_owned()).await).starts_with("row 1: values are nested deeper than 4"));
    assert!(limit(inspect(format!("{{\"a\":{}", " ".repeat(2 << 20))).await).starts_with("row 1 is longer than"));
}

/// Whatever the bytes, the answer is rows or a refusal.
#[tokio::test]
async fn damaged_files_are_refused() {
    let lake = TestLake::new();
    let good = r#"[{"n":1,"t":"가\n","d":{"x":[1,2]}},{"n":2.5e3,"t":null}]"#.as_bytes();
    let columns = lake.inspect_as(Format::Json, good).await.unwrap().schema.relaxed();
    for seed in 0..1_500_u64 {
        let mut bytes = good.to_vec();
        for turn in 0..=(seed % 3) {
            let number = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(turn.wrapping_mul(1_442_695_040_888_963_407)) >> 16;
            let at = usize::try_from(number).unwrap() % bytes.len();
            bytes[at] = b"{}[]\",:\\ 0aen\xea\x80\xff"[usize::try_from(number >> 20).unwrap() % 16];
        }
        for result in [lake.inspect_as(Format::Json, &bytes).await.map(drop), lake.stage_as(Format::Json, &bytes, &columns).await.map(drop)]
        {
            assert!(!matches!(result, Err(Error::Storage(_))), "{result:?}: {}", String::from_utf8_lossy(&bytes));
        }
    }
}

/// An export can be uploaded again.
#[tokio::test]
async fn an_export_comes_back_as_it_was() {
    let lake = TestLake::new();
    let before = lake.load("n,d,t,s,b,x\n1,2026-03-01,2026-03-01T05:00:00Z,가,true,0.5\n2,,,,,\n").await;
    let rows = lake.rows(&before).await;
    let names: Vec<_> = before.schema.columns.iter().map(|column| column.name.clone()).collect();
    let object = |row: &Value| names.iter().cloned().zip(row.as_array().unwrap().iter().cloned()).collect::<serde_json::Map<_, _>>();
    let text = Value::from(rows.iter().map(object).map(Value::Object).collect::<Vec<_>>()).to_string();
    let again = lake.load_as(Format::Json, text).await;
    assert_eq!((lake.rows(&again).await, &again.schema.columns), (rows, &before.schema.columns));
    let empty = lake.engine.create(&table_id(), &before.schema, &CommitInfo::default()).await.unwrap();
    assert_eq!(empty.rows(), 0);
}
