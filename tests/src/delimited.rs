//! Reads CSV (RFC 4180) for comparison with what the hub gives back; written apart from the hub's own reader.

use serde_json::Value;

/// Cells by row; the first row is the header.
pub fn records(text: &str) -> Vec<Vec<String>> {
    let mut records = vec![vec![String::new()]];
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let record = records.last_mut().expect("there is always a record");
        let cell = record.last_mut().expect("there is always a cell");
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(String::new()),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                if characters.peek().is_some() {
                    records.push(vec![String::new()]);
                }
            }
            other => cell.push(other),
        }
    }
    records
}

/// What a cell reads as in a column of this type: `int64`, `double`, or text. An empty cell is null.
pub fn value(cell: &str, kind: &str) -> Value {
    match kind {
        _ if cell.is_empty() => Value::Null,
        "int64" => cell.parse::<i64>().expect("a whole number").into(),
        "double" => cell.parse::<f64>().expect("a number").into(),
        _ => cell.into(),
    }
}

/// The data rows of a table, each cell in its column's type.
pub fn rows(text: &str, kinds: &[&str]) -> Vec<Vec<Value>> {
    let typed = |record: Vec<String>| {
        assert_eq!(record.len(), kinds.len(), "{record:?}");
        record.iter().zip(kinds).map(|(cell, kind)| value(cell, kind)).collect()
    };
    records(text).into_iter().skip(1).map(typed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_commas_and_line_ends_are_read() {
        let read = records("a,b\r\n\"x, \"\"y\"\"\",\n\"1\n2\",3\n");
        assert_eq!(read, [["a", "b"], ["x, \"y\"", ""], ["1\n2", "3"]]);
    }
}
