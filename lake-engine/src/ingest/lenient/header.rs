//! Names of columns from a header as people write it.

use std::collections::HashSet;

use madang_lake::ROW_ID;

/// Characters of a name: what PostgreSQL, whose clients read these tables, has.
const NAME_MAX: usize = 63;

/// A name for each field: blanks around it, control characters and quotes go, as do underscores before it; one without a name gets
/// its number; of two that differ in case alone, or not at all, the second one gets a number behind it.
pub(in crate::ingest) fn names(header: &[String]) -> Vec<String> {
    let mut taken: HashSet<String> = HashSet::from([ROW_ID.to_owned()]);
    let mut names = Vec::with_capacity(header.len());
    for (at, field) in header.iter().enumerate() {
        let name = match plain(field) {
            name if name.is_empty() => format!("column_{}", at + 1),
            name => name,
        };
        let mut free = name.clone();
        let mut number = 1;
        while !taken.insert(free.to_lowercase()) {
            number += 1;
            let ending = format!("_{number}");
            free = name.chars().take(NAME_MAX - ending.len()).collect::<String>() + &ending;
        }
        names.push(free);
    }
    names
}

fn plain(field: &str) -> String {
    let kept: String = field.chars().filter(|c| !c.is_control() && *c != '"' && *c != super::text::MARK).collect();
    let cut: String = kept.trim().trim_start_matches('_').trim_start().chars().take(NAME_MAX).collect();
    cut.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_its_own_name() {
        let header = ["a", " A ", "", "_id", "이름\n(국문)", "a", "x\"y"].map(str::to_owned);
        assert_eq!(names(&header), ["a", "A_2", "column_3", "id", "이름(국문)", "a_3", "xy"]);
        let long = ["x".repeat(100), "x".repeat(100)];
        assert_eq!(names(&long).iter().map(String::len).collect::<Vec<_>>(), [63, 63]);
    }
}
