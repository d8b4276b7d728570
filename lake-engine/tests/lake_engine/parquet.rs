//! Parquet files that others wrote, and those that were made to harm.

use std::{fs, path::PathBuf};

use madang_lake::{ColumnType, Error, Format, Input, Lake, Limits, Result, Staged};
use serde_json::json;

use crate::support::{TestLake, described, limit, refusal, schema, table_id};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/parquet").join(format!("{name}.parquet"))
}

fn input(name: &str) -> Input {
    Input { path: fixture(name), format: Format::Parquet, delimiter: None }
}

/// Takes a file in whole, as the first upload of a table.
async fn take(lake: &TestLake, input: &Input, limits: &Limits) -> Result<Staged> {
    let schema = lake.engine.inspect(input, limits).await?.schema.relaxed();
    lake.engine.stage(&table_id(), input, &schema, limits, &lake.ids).await
}

#[tokio::test]
async fn every_type_finds_its_column() {
    let lake = TestLake::new();
    let found = lake.engine.inspect(&input("types"), &Limits::default()).await.unwrap();
    let wanted = "작은:int32? n16:int32 n32:int32? u32:int64? n64:int64? u64:int64? f32:float? f64:double? flag:bool? text:string? \
                  large:string? words:string? day:date32? utc_us:timestamp? ntz_ns:timestamp_ntz? ntz_ms:timestamp_ntz? money:double?";
    assert_eq!((described(&found).as_str(), found.rows), (wanted, 3));
    let snapshot = lake.load_as(Format::Parquet, fs::read(fixture("types")).unwrap()).await;
    let rows = lake.rows(&snapshot).await;
    let first = json!([
        1,
        1,
        1,
        4_294_967_295_u32,
        9_007_199_254_740_993_i64,
        i64::MAX,
        0.5,
        0.1,
        true,
        "강남대로, \"북\"",
        "가",
        "x",
        "2026-03-01",
        "2026-03-01T05:00:00.250Z",
        "2026-03-01T05:00:00.250",
        "2026-03-01T05:00:00.250",
        12_345_678_901.25
    ]);
    assert_eq!(rows[0].to_string().replace(".25Z", ".250Z").replace(".25\"", ".250\""), first.to_string());
    assert_eq!(rows[2][9], json!(""), "an empty text is not an absent one");
    assert_eq!(rows[1].as_array().unwrap().iter().filter(|cell| cell.is_null()).count(), 16);
}

#[tokio::test]
async fn every_codec_is_read() {
    let lake = TestLake::new();
    for name in ["codec-none", "codec-snappy", "codec-gzip", "codec-brotli", "codec-lz4", "codec-zstd", "version-2-pages"] {
        let snapshot = lake.load_as(Format::Parquet, fs::read(fixture(name)).unwrap()).await;
        let rows = lake.rows(&snapshot).await;
        assert_eq!((rows.len(), &rows[999]), (1_000, &json!([999, "테헤란로"])), "{name}");
    }
}

#[tokio::test]
async fn what_no_table_can_hold_is_refused_by_name() {
    let lake = TestLake::new();
    for (name, why) in [
        ("nested", "column 'list' is nested, which a table can't hold"),
        ("binary", "column 'bytes' has the type Binary, which a table can't hold"),
        ("inexact-decimal", "column 'd': a value of the type Decimal128(30, 2) does not fit double"),
        ("nanoseconds", "column 't': a value of the type Timestamp(ns) does not fit timestamp_ntz"),
        ("reserved", "the column name '_id' is reserved"),
        ("large-u64", "column 'n': a value does not fit int64"),
    ] {
        assert_eq!(refusal(take(&lake, &input(name), &Limits::default()).await), why, "{name}");
    }
    let columns = schema(&[("n", ColumnType::Date, true)]);
    let told = refusal(lake.engine.stage(&table_id(), &input("codec-none"), &columns, &Limits::default(), &lake.ids).await);
    assert_eq!(told, "the rows have a column 'road', the table has none");
}

#[tokio::test]
async fn bombs_do_not_go_off() {
    let lake = TestLake::new();
    let small = Limits { decoded_bytes: 64 << 20, ..Limits::default() };
    for (name, why) in [
        ("bomb-page", "a page is larger than"),
        ("bomb-text", "the file unpacks to more than"),
        ("bomb-cell", "row 1: the cell in column 't' is larger than"),
    ] {
        let told = limit(take(&lake, &input(name), &small).await);
        assert!(told.starts_with(why), "{name}: {told}");
    }
    let tight = Limits { memory_bytes: 1 << 10, ..small };
    assert!(limit(take(&lake, &input("codec-none"), &tight).await).starts_with("the pages of a row group need more than"));
    let narrow = Limits { columns: 1, ..small };
    assert_eq!(limit(take(&lake, &input("codec-none"), &narrow).await), "the file has more than 1 columns, which is the limit");
}

/// Whatever the bytes, the answer is rows or a refusal.
#[tokio::test]
async fn damaged_files_are_refused() {
    let lake = TestLake::new();
    let small = Limits { decoded_bytes: 16 << 20, memory_bytes: 64 << 20, ..Limits::default() };
    for name in ["types", "version-2-pages"] {
        let good = fs::read(fixture(name)).unwrap();
        for seed in 0..600_u64 {
            let mut bytes = good.clone();
            for turn in 0..=(seed % 4) {
                let number =
                    (seed + 1).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(turn.wrapping_mul(1_442_695_040_888_963_407)) >> 11;
                let place = usize::try_from(number).unwrap();
                let at = if seed % 2 == 0 { place % bytes.len() } else { bytes.len() - 1 - place % bytes.len().min(1_500) };
                bytes[at] = number.to_le_bytes()[4];
            }
            if seed % 7 == 0 {
                bytes.truncate(bytes.len() - usize::try_from(seed).unwrap() % bytes.len());
            }
            let damaged = lake.input(Format::Parquet, &bytes);
            let result = take(&lake, &damaged, &small).await;
            assert!(!matches!(result, Err(Error::Storage(_))), "{name} {seed}: {result:?}");
        }
    }
    for bytes in [&b""[..], b"PAR1", b"PAR1PAR1", b"PAR1\xff\xff\xff\x7fPAR1", b"PAR1\x15\x02\x19\xfc\xff\xff\xff\xff\x0f\x0a\0\0\0PAR1"] {
        let told = take(&lake, &lake.input(Format::Parquet, bytes), &small).await;
        assert!(matches!(told, Err(Error::Invalid(_) | Error::LimitExceeded(_))), "{told:?}");
    }
}
