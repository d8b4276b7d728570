//! What is found in a file: encoding, delimiter, columns, types, rows; and what is refused.

use madang_lake::{Lake, Limits};

use crate::support::{TestLake, described, limit, refusal};

#[tokio::test]
async fn types_are_the_narrowest_that_hold_every_cell() {
    let lake = TestLake::new();
    let table = [
        ("1\n2\n-3", "int64"),
        ("1\n\n2\n3.5", "double"), // in a table of one column, an empty line inside is an empty cell
        ("TRUE\nfalse", "bool"),
        ("true\n1", "string"),
        ("2026-03-01\n1999-12-31", "date32"),
        ("2026-03-01T05:00:00Z\n2026-03-01 14:00:00+09:00", "timestamp"),
        ("2026-03-01T05:00:00\n2026-03-01 14:00", "timestamp_ntz"),
        ("2026-03-01T05:00:00\n2026-03-01T05:00:00Z", "string"),
        ("2026-03-01\n2026-03-01T05:00:00", "string"),
        ("007\n12", "string"),
        ("02-123-4567", "string"),
        ("+5", "string"),
        ("9223372036854775807", "int64"),
        ("9223372036854775808", "string"),
        ("9007199254740993\n0.5", "string"),
        ("9007199254740992\n0.5", "double"),
        ("0.12345678901234567891", "string"),
        ("1e5\n2.5E-3", "double"),
        ("NaN\n1.5", "string"),
        ("inf", "string"),
        ("\"1\"\n\"2\"", "int64"),
        (" 1", "string"),
    ];
    for (cells, kind) in table {
        let found = lake.inspect(format!("c\n{cells}\n")).await.unwrap();
        assert_eq!(found.schema.columns[0].kind.name(), kind, "{cells}");
    }
}

#[tokio::test]
async fn nulls_and_rows_are_counted() {
    let lake = TestLake::new();
    let found = lake.inspect("a,b,c\n1,,\n2,x,\n").await.unwrap();
    assert_eq!(described(&found), "a:int64 b:string? c:string?");
    assert_eq!(found.rows, 2);
    let found = lake.inspect("a,b\n").await.unwrap();
    assert_eq!((described(&found).as_str(), found.rows), ("a:string? b:string?", 0));
    let found = lake.inspect("a,b\n1,2\n\n\r\n\n").await.unwrap();
    assert_eq!(found.rows, 1, "empty lines at the end are no rows");
    let found = lake.inspect("a\n1\n\n\n2\n\n").await.unwrap();
    assert_eq!((described(&found).as_str(), found.rows), ("a:int64?", 4));
}

#[tokio::test]
async fn late_cells_count_as_much_as_early_ones() {
    let lake = TestLake::new();
    let mut text = String::from("a,b\n");
    for row in 0..30_000 {
        text.push_str(&format!("{row},2026-01-01\n"));
    }
    text.push_str("x,2026-01-01\n");
    assert_eq!(described(&lake.inspect(text).await.unwrap()), "a:string b:date32");
}

#[tokio::test]
async fn delimiters_are_sniffed_or_given() {
    let lake = TestLake::new();
    for text in ["a,b,c\n1,2,3\n", "a;b;c\n1;2;3\n", "a\tb\tc\n1\t2\t3\n", "a|b|c\r\n1|2|3\r\n", "a;b;c\n1,5;2;3\n", "\"a,x\";b;c\n1;2;3"] {
        assert_eq!(lake.inspect(text).await.unwrap().schema.columns.len(), 3, "{text}");
    }
    let found = lake.inspect("only\n1\n").await.unwrap();
    assert_eq!(described(&found), "only:int64");
    let mut input = lake.csv("a:b\n1:2\n");
    input.delimiter = Some(b':');
    assert_eq!(described(&lake.engine.inspect(&input, &Limits::default()).await.unwrap()), "a:int64 b:int64");
    input.delimiter = Some(b'"');
    assert_eq!(refusal(lake.engine.inspect(&input, &Limits::default()).await), "a quote or a line end can't be the delimiter");
}

#[tokio::test]
async fn encodings_are_recognised() {
    let lake = TestLake::new();
    let text = "도로,값\n강남대로,1\n똠방각하,2\n";
    let (cp949, _, lossy) = encoding_rs::EUC_KR.encode(text);
    assert!(!lossy);
    let utf16 = |bytes: fn(u16) -> [u8; 2], mark: [u8; 2]| mark.into_iter().chain(text.encode_utf16().flat_map(bytes)).collect::<Vec<_>>();
    let files = [
        text.as_bytes().to_vec(),
        [b"\xEF\xBB\xBF", text.as_bytes()].concat(),
        cp949.into_owned(),
        utf16(u16::to_le_bytes, [0xFF, 0xFE]),
        utf16(u16::to_be_bytes, [0xFE, 0xFF]),
    ];
    for file in files {
        assert_eq!(described(&lake.inspect(file).await.unwrap()), "도로:string 값:int64");
    }
    assert_eq!(refusal(lake.inspect(b"a,b\n\xFF\xFF\xFF,1\n").await), "the file is neither UTF-8 nor CP949 text");
    assert_eq!(refusal(lake.inspect(b"\xEF\xBB\xBFa,b\n\xB0\xA1,1\n").await), "the file has a UTF-8 mark but isn't UTF-8 text");
    assert_eq!(refusal(lake.inspect(b"a,b\n1\0,2\n").await), "the file contains NUL bytes, so it isn't delimited text");
}

#[tokio::test]
async fn characters_may_cross_every_boundary() {
    let lake = TestLake::new();
    let mut text = String::from("a,b\n");
    while text.len() < 1 << 20 {
        text.push_str("가나다라마바사아자차카타파하,\"줄\n바꿈, \"\"따옴표\"\"\"\n");
    }
    let rows = lake.inspect(&text).await.unwrap().rows;
    assert_eq!(rows, (text.matches("바꿈").count()) as u64);
    let (cp949, _, _) = encoding_rs::EUC_KR.encode(&text);
    assert_eq!(lake.inspect(&cp949).await.unwrap().rows, rows);
}

#[tokio::test]
async fn bad_headers_are_refused() {
    let lake = TestLake::new();
    let table = [
        ("", "the file is empty"),
        ("\u{feff}", "the file is empty"),
        ("a,,c\n1,2,3\n", "column 2 has no name"),
        ("a,b,a\n1,2,3\n", "the column name 'a' appears twice (upper and lower case count as equal)"),
        ("a,b,A\n1,2,3\n", "the column name 'A' appears twice (upper and lower case count as equal)"),
        ("_id,b\n1,2\n", "the column name '_id' is reserved"),
        ("_ID,b\n1,2\n", "the column name '_ID' is reserved"),
        ("\"a,b\n1,2\n", "the header: a quote is opened but never closed"),
    ];
    for (text, why) in table {
        assert_eq!(refusal(lake.inspect(text).await), why, "{text}");
    }
}

#[tokio::test]
async fn bad_rows_are_named() {
    let lake = TestLake::new();
    let table = [
        ("a,b,c,d\n1,2,3,4\n1,2,3,4\n1,2,3,4,5\n", "row 3: 5 fields, the header has 4"),
        ("a,b\n1\n", "row 1: 1 fields, the header has 2"),
        ("a,b\n1,2\n\n3,4\n", "row 2: an empty line, the header has 2 fields"),
        ("a,b\n1,2\n\"3\"x,4\n", "row 2: text follows a closing quote"),
        ("a,b\n1,2\n3,\"4\n5,6\n", "row 2: a quote is opened but never closed"),
    ];
    for (text, why) in table {
        assert_eq!(refusal(lake.inspect(text).await), why, "{text}");
    }
}

#[tokio::test]
async fn limits_are_kept() {
    let lake = TestLake::new();
    let limits = Limits { columns: 3, cell_bytes: 100, ..Limits::default() };
    let inspect = async |text: String| lake.engine.inspect(&lake.csv(text), &limits).await;
    assert!(inspect("a,b,c\n1,2,3\n".to_owned()).await.is_ok());
    assert_eq!(limit(inspect("a,b,c,d\n1,2,3,4\n".to_owned()).await), "the header has more than 3 columns, which is the limit");
    assert!(inspect(format!("a\n{}\n", "x".repeat(100))).await.is_ok());
    assert_eq!(
        limit(inspect(format!("a\n1\n{}\n", "x".repeat(101))).await),
        "row 2: the cell in column 'a' is larger than 100 bytes, which is the limit"
    );
    let open = format!("a\n\"{}", "x\n".repeat(1 << 20));
    assert!(limit(inspect(open).await).contains("is a quote left open?"));
    let many = (0..100_000).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",");
    assert_eq!(limit(lake.inspect(format!("{many}\n")).await), "the header has more than 4096 columns, which is the limit");
}
