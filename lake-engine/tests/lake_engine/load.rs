//! Files whose bad rows are set aside, and spreadsheets.

use std::{collections::HashMap, fmt::Write as _, io::Write as _};

use flate2::{Compression, write::DeflateEncoder};
use madang_lake::{BadRows, ColumnType, Error, Format, Lake, Limits, Load, Loaded, Result, TableId, WriteMode};
use serde_json::{Value, json};

use crate::support::{TestLake, change};

/// What a load gave: columns with types, rows, the list of bad rows.
struct Outcome {
    columns: Vec<(String, ColumnType)>,
    rows: Vec<Value>,
    bad: BadRows,
    list: Vec<String>,
}

async fn try_load(lake: &TestLake, format: Format, bytes: &[u8], types: &[(&str, ColumnType)]) -> Result<(TableId, Loaded, Vec<String>)> {
    let table: TableId = uuid_text().parse().unwrap();
    let bad_rows = lake.folder.path().join(format!("bad-{table}"));
    let types = types.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect::<HashMap<_, _>>();
    let load = Load { input: lake.input(format, bytes), types, bad_rows: bad_rows.clone() };
    let loaded = lake.engine.load(&table, &load, &Limits::STEP, &lake.ids).await?;
    let list = std::fs::read_to_string(&bad_rows).unwrap_or_default();
    Ok((table, loaded, list.lines().skip(1).map(str::to_owned).collect()))
}

fn uuid_text() -> String {
    TableId::new_kept().to_string().replacen("-9", "-7", 1)
}

async fn load(format: Format, bytes: &[u8]) -> Outcome {
    load_as(format, bytes, &[]).await
}

async fn load_as(format: Format, bytes: &[u8], types: &[(&str, ColumnType)]) -> Outcome {
    let lake = TestLake::new();
    let (table, loaded, list) = try_load(&lake, format, bytes, types).await.unwrap();
    let base = lake.engine.create(&table, &loaded.schema, &madang_lake::CommitInfo::default()).await.unwrap();
    let snapshot = lake.engine.commit(&table, change(&base, WriteMode::Append, loaded.staged)).await.unwrap();
    let columns: Vec<(String, ColumnType)> = loaded.schema.columns.iter().map(|column| (column.name.clone(), column.kind)).collect();
    let named = |row: Value| {
        let cells = row.as_array().unwrap().clone();
        columns.iter().map(|(name, _)| name.clone()).zip(cells).collect::<serde_json::Map<_, _>>().into()
    };
    let rows = lake.rows(&snapshot).await.into_iter().map(named).collect();
    Outcome { columns, rows, bad: loaded.bad, list }
}

async fn refused(format: Format, bytes: &[u8]) -> String {
    let lake = TestLake::new();
    match try_load(&lake, format, bytes, &[]).await {
        Err(Error::Storage(cause)) => panic!("a fault: {cause}"),
        Err(refused) => refused.to_string(),
        Ok((_, loaded, _)) => panic!("{} rows", loaded.staged.rows()),
    }
}

/// Clean for 300,000 rows, then a text in a number column, a ragged line, a bad byte, an open quote.
#[tokio::test]
async fn the_file_that_kills_loaders() {
    let mut bytes = Vec::new();
    bytes.extend_from_slice("번호,값,날짜\n".as_bytes());
    for number in 1..=300_000 {
        bytes.extend_from_slice(format!("{number},{number}.5,2024-01-0{}\n", number % 9 + 1).as_bytes());
    }
    bytes.extend_from_slice(b"300001,n.a.,2024-01-01\n");
    bytes.extend_from_slice(b"300002,1.5\n");
    bytes.extend_from_slice(b"300003,1.\xFF5,2024-01-01\n");
    bytes.extend_from_slice(b"\"300004,1.5,2024-01-01\n");
    bytes.extend_from_slice(b"300005,2.5,2024-01-01\n");
    let found = load(Format::Csv, &bytes).await;
    let wanted = [("번호", ColumnType::Int64), ("값", ColumnType::Double), ("날짜", ColumnType::Date)];
    assert_eq!(found.columns, wanted.map(|(name, kind)| (name.to_owned(), kind)));
    assert_eq!((found.rows.len(), found.bad.count, found.bad.misfits), (300_001, 4, 1));
    assert_eq!(found.rows.last().unwrap()["번호"], json!(300_005));
    let list = found.list.join("\n");
    assert!(list.starts_with("300002,\"값\",\"'n.a.' does not fit double\",\"300001,n.a.,2024-01-01\""), "{list}");
    assert!(list.contains("\n300003,\"\",\"2 fields, the header has 3\""), "{list}");
    assert!(list.contains("\n300004,\"\",\"a byte that is no text\""), "{list}");
    assert!(list.contains("\n300005,\"\",\"a quote is opened but never closed\""), "{list}");
}

#[tokio::test]
async fn many_misfits_make_text_and_codes_stay_codes() {
    let mut text = "a,b,c\n".to_owned();
    for number in 0..1_000 {
        let a = if number % 50 == 0 { "-".to_owned() } else { number.to_string() };
        let b = if number == 7 { "007".to_owned() } else { number.to_string() };
        writeln!(text, "{a},{b}, {number} ").unwrap();
    }
    let found = load(Format::Csv, text.as_bytes()).await;
    let kinds: Vec<ColumnType> = found.columns.iter().map(|(_, kind)| *kind).collect();
    assert_eq!(kinds, [ColumnType::String, ColumnType::String, ColumnType::Int64]);
    assert_eq!((found.rows.len(), found.bad), (1_000, BadRows::default()));
}

/// Each column alone has few misfits, but together they would take too many rows.
#[tokio::test]
async fn columns_become_wider_before_many_rows_are_lost() {
    let mut text = (0..20).map(|column| format!("c{column}")).collect::<Vec<_>>().join(",") + "\n";
    for row in 0..1_000 {
        let cells: Vec<String> = (0..20).map(|column| if row % 100 == column { "x".to_owned() } else { row.to_string() }).collect();
        writeln!(text, "{}", cells.join(",")).unwrap();
    }
    let found = load(Format::Csv, text.as_bytes()).await;
    assert!(found.columns.iter().all(|(_, kind)| *kind == ColumnType::String), "{:?}", found.columns);
    assert_eq!((found.rows.len(), found.bad.count), (1_000, 0));
}

#[tokio::test]
async fn chosen_types_count() {
    let text = "code,n\n001,1\n2,x\n3,3\n4,4\n".as_bytes();
    let found = load_as(Format::Csv, text, &[("n", ColumnType::Int64)]).await;
    assert_eq!(found.columns, [("code".to_owned(), ColumnType::String), ("n".to_owned(), ColumnType::Int64)]);
    assert_eq!((found.rows.len(), found.bad.count), (3, 1));
}

#[tokio::test]
async fn encodings_delimiters_and_odd_headers() {
    let (korean, _, _) = encoding_rs::EUC_KR.encode("이름;값\n서울;1\n부산;2\n");
    let found = load(Format::Csv, &korean).await;
    assert_eq!(found.rows[1], json!({"이름": "부산", "값": 2}));
    let wide: Vec<u8> = [0xFF, 0xFE].into_iter().chain("이름\t값\n서울\t1\n".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(load(Format::Csv, &wide).await.rows, [json!({"이름": "서울", "값": 1})]);
    let found = load(Format::Csv, b"\n\n_id,a,,A,a\r\n1,2,3,4,5\r\n,,,,\r\n6,7,8,9,10,\r\n").await;
    let names: Vec<&str> = found.columns.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["id", "a", "column_3", "A_2", "a_3"]);
    assert_eq!((found.rows.len(), found.bad.count), (2, 0));
    let found = load(Format::Csv, b"a,b\n").await;
    assert_eq!((found.columns.len(), found.rows.len()), (2, 0));
}

#[tokio::test]
async fn objects_that_are_bad_are_set_aside() {
    let mut lines: Vec<String> = (0..200).map(|number| json!({"a": number, "b": {"c": [number]}}).to_string()).collect();
    lines[10] = "{\"a\": broken}".to_owned();
    lines[20] = "nonsense".to_owned();
    lines[30] = json!({"a": "x", "b": null}).to_string();
    lines[40] = "{\"a\": 1, \"a\": 2}".to_owned();
    lines[50] = json!({"b": 1}).to_string();
    let found = load(Format::Json, lines.join("\n").as_bytes()).await;
    assert_eq!((found.rows.len(), found.bad.count), (196, 4), "{:?}", found.list);
    assert_eq!(found.columns, [("a".to_owned(), ColumnType::Int64), ("b".to_owned(), ColumnType::String)]);
    assert!(found.list.iter().any(|line| line.starts_with("31,\"a\",")), "{:?}", found.list);
    assert_eq!(found.rows[0], json!({"a": 0, "b": "{\"c\":[0]}"}));
    let array = format!("[{}]", (0..3).map(|number| format!("{{\"a\":{number}}}")).collect::<Vec<_>>().join(","));
    assert_eq!(load(Format::Json, array.as_bytes()).await.rows.len(), 3);
}

#[tokio::test]
async fn what_is_mostly_bad_is_refused() {
    assert!(refused(Format::Csv, b"a,b\n1\n2\n3,4\n").await.contains("2 of 3 rows are bad; the first one in line 2"));
    assert!(refused(Format::Csv, b"").await.contains("empty"));
    assert!(refused(Format::Json, b"{\"a\":1} x\nyy\nzz").await.contains("bad"));
    assert!(refused(Format::Json, &[&b"[{\"a\":"[..], &vec![b'['; 100_000]].concat()).await.contains("nested deeper"));
    let noise: Vec<u8> = (0..100_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    assert!(refused(Format::Csv, &noise).await.contains("no text"));
    let wide = vec![b','; 10_000];
    assert!(refused(Format::Csv, &wide).await.contains("limit"));
}

/// Lines of quotes cost no more than other lines.
#[tokio::test]
async fn quotes_without_end_take_bounded_time() {
    let mut text = "a,b\n".to_owned();
    for number in 0..100_000 {
        writeln!(text, "\"x{number},\"\"\"").unwrap();
        writeln!(text, "{number},1").unwrap();
        writeln!(text, "{number},2").unwrap();
    }
    let begun = std::time::Instant::now();
    let lake = TestLake::new();
    drop(try_load(&lake, Format::Csv, text.as_bytes(), &[]).await);
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

/// A ZIP archive of some files.
fn archive(files: &[(&str, Vec<u8>)], packed: bool) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let at = u32::try_from(bytes.len()).unwrap();
        let data = if packed {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        } else {
            content.clone()
        };
        let method: u16 = if packed { 8 } else { 0 };
        let mut head = Vec::new();
        head.extend(20_u16.to_le_bytes());
        head.extend([0; 2]);
        head.extend(method.to_le_bytes());
        head.extend([0; 8]);
        head.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        head.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
        head.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        head.extend([0; 2]);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&head);
        bytes.extend(name.as_bytes());
        bytes.extend(data);
        directory.extend(b"PK\x01\x02");
        directory.extend([20, 0]);
        directory.extend(&head);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = u32::try_from(bytes.len()).unwrap();
    let size = u32::try_from(directory.len()).unwrap();
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06");
    bytes.extend([0; 8]);
    bytes.extend(size.to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

fn workbook(sheet: &str, texts: &str, packed: bool) -> Vec<u8> {
    let book = r#"<workbook xmlns:r="r"><sheets><sheet name="숨김" sheetId="1" state="hidden" r:id="rId1"/><sheet name="자료" sheetId="2" r:id="rId2"/></sheets></workbook>"#;
    let rels = r#"<Relationships><Relationship Id="rId1" Target="worksheets/none.xml"/><Relationship Id="rId2" Target="worksheets/sheet2.xml"/></Relationships>"#;
    let styles = r#"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd hh:mm"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/></cellXfs></styleSheet>"#;
    let files = [
        ("xl/workbook.xml", book.as_bytes().to_vec()),
        ("xl/_rels/workbook.xml.rels", rels.as_bytes().to_vec()),
        ("xl/styles.xml", styles.as_bytes().to_vec()),
        ("xl/sharedStrings.xml", texts.as_bytes().to_vec()),
        ("xl/worksheets/sheet2.xml", sheet.as_bytes().to_vec()),
    ];
    archive(&files, packed)
}

const TEXTS: &str = "<sst><si><t>이름</t></si><si><r><t>가 &amp; </t></r><r><t>나</t></r><rPh><t>reading</t></rPh></si></sst>";

#[tokio::test]
async fn a_workbook_is_a_table() {
    let sheet = r#"<worksheet><sheetData>
        <row r="2"><c r="A2" t="s"><v>0</v></c><c r="B2" t="inlineStr"><is><t>날짜</t></is></c><c r="C2" t="str"><v>때</v></c><c r="D2" t="str"><v>값</v></c><c r="E2" t="str"><v>참</v></c></row>
        <row r="3"><c r="A3" t="s"><v>1</v></c><c r="B3" s="1"><v>45292</v></c><c r="C3" s="2"><v>45292.5</v></c><c r="D3"><v>1.5</v></c><c r="E3" t="b"><v>1</v></c></row>
        <row r="5"><c r="A5" t="str"><v>다</v></c><c r="D5" t="e"><v>#N/A</v></c><c r="E5" t="b"><v>0</v></c></row>
        </sheetData></worksheet>"#;
    for packed in [false, true] {
        let found = load(Format::Xlsx, &workbook(sheet, TEXTS, packed)).await;
        let kinds: Vec<ColumnType> = found.columns.iter().map(|(_, kind)| *kind).collect();
        let wanted = [ColumnType::String, ColumnType::Date, ColumnType::LocalTimestamp, ColumnType::Double, ColumnType::Bool];
        assert_eq!(kinds, wanted, "{:?}", found.columns);
        assert_eq!(found.rows.len(), 2);
        assert_eq!((&found.rows[0]["이름"], &found.rows[0]["날짜"]), (&json!("가 & 나"), &json!("2024-01-01")));
        assert_eq!((&found.rows[1]["값"], &found.rows[1]["참"]), (&Value::Null, &json!(false)));
    }
}

/// Row numbers of the sheet are the lines of the list.
#[tokio::test]
async fn bad_rows_of_a_workbook_have_its_numbers() {
    let mut sheet = "<worksheet><sheetData><row r=\"1\"><c r=\"A1\" t=\"str\"><v>a</v></c></row>".to_owned();
    for row in 2..=300 {
        let value = if row == 250 { "x" } else { "1" };
        write!(sheet, "<row r=\"{row}\"><c r=\"A{row}\" t=\"str\"><v>{value}</v></c></row>").unwrap();
    }
    let found = load(Format::Xlsx, &workbook(&(sheet + "</sheetData></worksheet>"), "<sst/>", true)).await;
    assert_eq!((found.rows.len(), found.bad.count), (298, 1));
    assert!(found.list[0].starts_with("250,\"a\","), "{:?}", found.list);
}

fn spreadsheet(rows: &str) -> Vec<u8> {
    let content = format!(
        "<office:document-content><office:body><table:table table:name=\"t\">{rows}</table:table></office:body></office:document-content>"
    );
    archive(&[("content.xml", content.into_bytes())], true)
}

#[tokio::test]
async fn an_open_document_is_a_table() {
    let cell = |text: &str| format!("<table:table-cell office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell>");
    let rows = format!(
        "<table:table-row>{}{}{}</table:table-row>
         <table:table-row table:number-rows-repeated=\"2\">{}<table:table-cell office:value-type=\"float\" office:value=\"2\"><text:p>둘</text:p></table:table-cell><table:table-cell office:value-type=\"date\" office:date-value=\"2024-05-06\"><office:annotation><text:p>note</text:p></office:annotation><text:p>5월</text:p></table:table-cell><table:table-cell table:number-columns-repeated=\"16381\"/></table:table-row>
         <table:table-row table:number-rows-repeated=\"1048573\"><table:table-cell table:number-columns-repeated=\"16384\"/></table:table-row>",
        cell("이름"), cell("값"), cell("날짜"), cell("가<text:s text:c=\"2\"/>나")
    );
    let found = load(Format::Ods, &spreadsheet(&rows)).await;
    assert_eq!(found.rows, vec![json!({"이름": "가  나", "값": 2, "날짜": "2024-05-06"}); 2]);
}

#[tokio::test]
async fn hostile_spreadsheets_are_refused() {
    let far =
        "<worksheet><sheetData><row r=\"1\"><c r=\"A1\" t=\"str\"><v>a</v></c><c r=\"XFD1\"><v>1</v></c></row></sheetData></worksheet>";
    assert!(refused(Format::Xlsx, &workbook(far, "<sst/>", true)).await.contains("columns, which is the limit"));
    let deep = "<worksheet><sheetData><row r=\"4000000000\"/></sheetData></worksheet>";
    assert!(refused(Format::Xlsx, &workbook(deep, "<sst/>", true)).await.contains("rows, which is the limit"));
    let unknown = "<worksheet><sheetData><row r=\"1\"><c t=\"s\"><v>99</v></c></row></sheetData></worksheet>";
    assert!(refused(Format::Xlsx, &workbook(unknown, "<sst/>", true)).await.contains("not there"));
    let bomb = format!("<sst>{}", format!("<si><t>{}</t></si>", "x".repeat(1_000_000)).repeat(140)); // in 600 KB
    let told = refused(Format::Xlsx, &workbook(far, &bomb, true)).await;
    assert!(told.contains("unpacks to more than the limit"), "{told}");
    let endless = format!("<worksheet><sheetData><row r=\"1\"><c t=\"str\"><v>{}", "y".repeat(20 << 20));
    assert!(refused(Format::Xlsx, &workbook(&endless, "<sst/>", true)).await.contains("larger than the limit"));
    let entities = "<!DOCTYPE a [<!ENTITY b \"cc\">]><worksheet><sheetData><row><c t=\"str\"><v>&b;</v></c></row></sheetData></worksheet>";
    assert!(refused(Format::Xlsx, &workbook(entities, "<sst/>", true)).await.contains("entity"));
    let full = "<table:table-row><table:table-cell office:value-type=\"string\" table:number-columns-repeated=\"1000000000\"><text:p>x</text:p></table:table-cell></table:table-row>";
    assert!(refused(Format::Ods, &spreadsheet(full)).await.contains("columns, which is the limit"));
    let tall = "<table:table-row table:number-rows-repeated=\"4000000000\"><table:table-cell office:value-type=\"string\"><text:p>x</text:p></table:table-cell></table:table-row>";
    assert!(refused(Format::Ods, &spreadsheet(tall)).await.contains("rows, which is the limit"));
    for bytes in [&b""[..], b"PK", b"not a zip", b"\xD0\xCF\x11\xE0 old", &archive(&[("a", Vec::new())], false)] {
        refused(Format::Xlsx, bytes).await;
        refused(Format::Ods, bytes).await;
    }
}

/// Whatever byte is changed, a workbook is read or refused.
#[tokio::test]
async fn damaged_workbooks_do_no_harm() {
    let sheet = "<worksheet><sheetData><row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c></row><row r=\"2\"><c r=\"A2\"><v>1</v></c></row></sheetData></worksheet>";
    let whole = workbook(sheet, TEXTS, false);
    let lake = TestLake::new();
    for at in (0..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        if let Err(Error::Storage(cause)) = try_load(&lake, Format::Xlsx, &damaged, &[]).await {
            panic!("a fault at {at}: {cause}");
        }
    }
}
