//! Ranks of rows by the words that they have: PostgreSQL's `ts_rank` with the normalization 32, every word of the least weight.

use madang_lake::WordQuery;

use super::index::Index;

/// The weight of a word.
const WEIGHT: f32 = 0.1;
/// The sum of 1/n² for all n.
const ALL: f32 = 1.644_934;
/// The distance of words that stand at the same place.
const FAR: u16 = 16_384;
/// So many places are looked at one after the other before the rest is searched.
const NEAR: usize = 16;
/// Ranks are remembered for words that stand in a row up to so often.
const COUNTED: usize = 1_000;

type Places<'a> = &'a [(u32, u16)];

/// The rank of each of some rows, ascending.
pub(super) fn ranks(index: &Index, query: &WordQuery, rows: &[u32]) -> Vec<f32> {
    let mut words = Vec::new();
    collect(query, &mut words);
    words.sort_unstable();
    words.dedup();
    let found: Vec<Vec<Places<'_>>> = words.iter().map(|(word, prefix)| index.places(word, *prefix)).collect();
    if let [entries] = found.as_slice()
        && let [places] = entries.as_slice()
    {
        return of_one_word(places, rows);
    }
    let together = matches!(query, WordQuery::And(..) | WordQuery::Near(..)) && found.len() > 1;
    let mut walks: Vec<Vec<Walk<'_>>> = found.into_iter().map(|entries| entries.into_iter().map(Walk).collect()).collect();
    let mut of_row: Vec<Vec<Places<'_>>> = vec![Vec::new(); walks.len()];
    let mut ranks = Vec::with_capacity(rows.len());
    for row in rows {
        for (word, walk) in of_row.iter_mut().zip(&mut walks) {
            word.clear();
            word.extend(walk.iter_mut().map(|walk| walk.to(*row)).filter(|places| !places.is_empty()));
        }
        ranks.push(normalized(if together { rank_and(&of_row) } else { rank_or(&of_row) }));
    }
    ranks
}

/// The same where there is but one word.
fn of_one_word(places: Places<'_>, rows: &[u32]) -> Vec<f32> {
    let mut walk = Walk(places);
    let mut known: Vec<f32> = Vec::new(); // by how often the word stands in a row
    let mut rank = |count: usize, places: Places<'_>| {
        while known.len() <= count.min(COUNTED) {
            known.push(normalized(entry(known.len())));
        }
        known.get(count).copied().unwrap_or_else(|| normalized(entry(places.len())))
    };
    let mut of_row = |row: &u32| {
        let places = walk.to(*row);
        rank(places.len(), places)
    };
    rows.iter().map(&mut of_row).collect()
}

/// Places of a word, walked through in the order of rows.
struct Walk<'a>(Places<'a>);

impl<'a> Walk<'a> {
    /// The places in a row; no earlier row may follow.
    fn to(&mut self, row: u32) -> Places<'a> {
        let skipped = self.0.iter().take(NEAR).take_while(|place| place.0 < row).count();
        let from = if skipped == NEAR { self.0.partition_point(|place| place.0 < row) } else { skipped };
        let rest = self.0.get(from..).unwrap_or_default();
        let (of_row, behind) = rest.split_at_checked(rest.iter().take_while(|place| place.0 == row).count()).unwrap_or((rest, &[]));
        self.0 = behind;
        of_row
    }
}

fn normalized(rank: f32) -> f32 {
    let rank = if rank < 0.0 { 1e-20 } else { rank };
    rank / (rank + 1.0)
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

/// What a word counts that stands in a row so often.
fn entry(count: usize) -> f32 {
    let sum: f32 = (1..=u16::try_from(count).unwrap_or(u16::MAX)).map(|n| WEIGHT / (f32::from(n) * f32::from(n))).sum();
    sum / ALL
}

/// For each word its entries; each counts by how often it stands there, the first time most.
fn rank_or(words: &[Vec<Places<'_>>]) -> f32 {
    let all: f32 = words.iter().flatten().map(|places| entry(places.len())).sum();
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

    /// What PostgreSQL 15 gives for the same texts.
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
        close(ranks(&index, &plain, &[0, 1]), &[0.057_308_756, 0.070_624_1]);
        let two = plain_query("cat dog", Language::English).expect("a question");
        assert_eq!(index.rows(&two), [2, 3]);
        close(ranks(&index, &two, &[2, 3]), &[0.090_167_34, 0.088_720_76]);
        let either = written_query("bird | dog", Language::English).expect("a question");
        close(ranks(&index, &either, &[2, 4]), &[0.029_499_672, 0.029_499_672]);
        let not = written_query("cat & !dog", Language::English).expect("a question");
        assert_eq!(index.rows(&not), [0, 1]);
        assert!(ranks(&index, &not, &[0]).iter().all(|rank| *rank < 1e-10));
        assert_eq!(index.rows(&written_query("ca:* | bi:*", Language::Simple).expect("a question")), [0, 1, 2, 3, 4]);
        assert_eq!(index.rows(&written_query("cat <-> dog", Language::English).expect("a question")), [2]);
        assert_eq!(index.rows(&written_query("!cat", Language::English).expect("a question")), [4]);
    }
}
