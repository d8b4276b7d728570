//! Ranks of rows by the words that they have: PostgreSQL's `ts_rank` with the normalization 32, every word of the least weight.

use madang_lake::WordQuery;

use super::index::Index;

/// The weight of a word.
const WEIGHT: f32 = 0.1;
/// The sum of 1/n² for all n.
const ALL: f32 = 1.644_934_1;
/// The distance of words that stand at the same place.
const FAR: u16 = 16_384;

type Places<'a> = &'a [(u32, u16)];

/// The rank of each of some rows, ascending.
pub(super) fn ranks(index: &Index, query: &WordQuery, rows: &[u32]) -> Vec<f32> {
    let mut words = Vec::new();
    collect(query, &mut words);
    words.sort_unstable();
    words.dedup();
    let found: Vec<Vec<Places<'_>>> = words.iter().map(|(word, prefix)| index.places(word, *prefix)).collect();
    let together = matches!(query, WordQuery::And(..) | WordQuery::Near(..)) && found.len() > 1;
    rows.iter()
        .map(|row| {
            let of_row: Vec<Vec<Places<'_>>> = found
                .iter()
                .map(|entries| entries.iter().map(|places| of(places, *row)).filter(|places| !places.is_empty()).collect())
                .collect();
            let rank = if together { rank_and(&of_row) } else { rank_or(&of_row) };
            let rank = if rank < 0.0 { 1e-20 } else { rank };
            rank / (rank + 1.0)
        })
        .collect()
}

fn collect<'a>(query: &'a WordQuery, words: &mut Vec<(&'a str, bool)>) {
    match query {
        WordQuery::Nothing => {}
        WordQuery::Word { word, prefix } => words.push((word, *prefix)),
        WordQuery::And(left, right) | WordQuery::Or(left, right) | WordQuery::Near(left, right, _) => {
            collect(left, words);
            collect(right, words);
        }
        WordQuery::Not(inner) => collect(inner, words),
    }
}

/// The places in one row.
fn of(places: Places<'_>, row: u32) -> Places<'_> {
    let from = places.partition_point(|place| place.0 < row);
    let to = places.partition_point(|place| place.0 <= row);
    places.get(from..to).unwrap_or_default()
}

/// For each word its entries; each counts by how often it stands there, the first time most.
fn rank_or(words: &[Vec<Places<'_>>]) -> f32 {
    let entry = |places: &Places<'_>| {
        let sum: f32 = (1..=u16::try_from(places.len()).unwrap_or(u16::MAX)).map(|n| WEIGHT / (f32::from(n) * f32::from(n))).sum();
        (WEIGHT + sum - WEIGHT) / ALL
    };
    let all: f32 = words.iter().flatten().map(entry).sum();
    match u16::try_from(words.len()) {
        Ok(count) if count > 0 => all / f32::from(count),
        _ => all,
    }
}

/// Each pair of words counts by how near they stand.
fn rank_and(words: &[Vec<Places<'_>>]) -> f32 {
    let mut rank = -1.0_f32;
    for (at, entries) in words.iter().enumerate() {
        for places in entries {
            for before in words.iter().take(at).filter_map(|entries| entries.last()) {
                for (_, one) in *places {
                    for (_, other) in *before {
                        let distance = one.abs_diff(*other);
                        if distance == 0 {
                            continue;
                        }
                        let near = (WEIGHT * WEIGHT * nearness(distance.min(FAR))).sqrt();
                        rank = if rank < 0.0 { near } else { 1.0 - (1.0 - rank) * (1.0 - near) };
                    }
                }
            }
        }
    }
    rank
}

fn nearness(distance: u16) -> f32 {
    if distance > 100 { 1e-30 } else { 1.0 / (1.005 + 0.05 * (f32::from(distance) / 1.5 - 2.0).exp()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};
    use madang_lake::{Language, plain_query, written_query};

    use super::*;

    /// What PostgreSQL 17 gives for the same texts.
    #[test]
    fn ranks_are_those_of_postgresql() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a cat", "cat and cat", "cat dog", "cat with a dog", "bird"]));
        let index = Index::build(Language::English, &[texts], 5).expect("an index");
        let plain = plain_query("cats", Language::English).expect("a question");
        assert_eq!(index.rows(&plain), [0, 1, 2, 3]);
        let close = |found: Vec<f32>, wanted: &[f32]| {
            assert_eq!(found.len(), wanted.len());
            assert!(found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-6), "{found:?}");
        };
        close(ranks(&index, &plain, &[0, 1]), &[0.057_308_78, 0.070_627_1]);
        let two = plain_query("cat dog", Language::English).expect("a question");
        assert_eq!(index.rows(&two), [2, 3]);
        close(ranks(&index, &two, &[2, 3]), &[0.090_185_2, 0.089_410_3]);
        let not = written_query("cat & !dog", Language::English).expect("a question");
        assert_eq!(index.rows(&not), [0, 1]);
        assert_eq!(index.rows(&written_query("ca:* | bi:*", Language::Simple).expect("a question")), [0, 1, 2, 3, 4]);
        assert_eq!(index.rows(&written_query("cat <-> dog", Language::English).expect("a question")), [2]);
        assert_eq!(index.rows(&written_query("!cat", Language::English).expect("a question")), [4]);
    }
}
