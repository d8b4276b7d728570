//! A survey as CSV (dataspace.md section 11): `rank,type,text,option1,option2,…`, a row a question.

use madang_kit::{Error, Result};
use serde_json::{Value, json};

/// Reads the definition that a file stands for.
pub(super) fn read(bytes: &[u8], title: &str) -> Result<Value> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let broken = |error: csv::Error| Error::invalid("body", "csv", format!("the body is not CSV in UTF-8: {error}"));
    let header: Vec<String> = reader.headers().map_err(broken)?.iter().map(|name| name.trim().to_owned()).collect();
    if !header.iter().map(String::as_str).take(3).eq(["rank", "type", "text"]) {
        return Err(Error::invalid("body", "header", "the first columns are rank, type and text"));
    }
    let mut questions = Vec::new();
    for (row, record) in (1..).zip(reader.records()) {
        let record = record.map_err(broken)?;
        let cell = |index: usize| record.get(index).unwrap_or_default().trim();
        let rank: u32 = cell(0).parse().map_err(|_| Error::invalid("rank", "number", format!("row {row}: rank must be a number")))?;
        let options: Vec<Value> = record.iter().skip(3).filter(|text| !text.trim().is_empty()).map(|text| json!({"text": text})).collect();
        let mut question = json!({"rank": rank, "type": cell(1), "text": cell(2)});
        if !options.is_empty() {
            question["options"] = Value::Array(options);
        }
        if cell(1) == "Scale" {
            (question["minValue"], question["maxValue"]) = (json!(1), json!(5));
        }
        questions.push(question);
    }
    Ok(json!({"title": title, "questions": questions}))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn rows_become_questions() {
        let text = "rank,type,text,option1,option2\n1,SingleChoice,매장은?,강남점,홍대점\n2,LongText,\"왜, 그렇게?\"\n";
        let found = read(text.as_bytes(), "조사").expect("a survey");
        assert_eq!(found["questions"][0]["options"][1]["text"], "홍대점");
        assert_eq!(found["questions"][1]["text"], "왜, 그렇게?");
        assert!(madang_kit::survey::Definition::read(&found.to_string()).is_ok());
        assert!(read(b"a,b\n", "x").is_err());
    }
}
