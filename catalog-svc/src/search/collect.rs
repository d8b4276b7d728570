//! What a search gathers in one walk over what is found: how many, the first of them in an order, and the counts of facets.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, HashMap},
};

use tantivy::{
    DocAddress, DocId, Score, SegmentOrdinal, SegmentReader,
    collector::{Collector, SegmentCollector},
    columnar::{Column, StrColumn},
};

use super::{
    analysis::KEY_END,
    fields::{Fields, KEYED_EXACT, KEYED_TIME, Kind},
};

/// Keys of one order.
pub(super) const SORT_KEYS_MAX: usize = 8;
/// Stands behind every value: what has none comes last, whatever the direction.
const LAST: u64 = u64::MAX;

/// What an order looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum By {
    Score,
    Field(String),
}

/// One key of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) by: By,
    pub(super) descending: bool,
}

/// What is gathered.
pub(super) struct Wanted {
    pub(super) fields: Fields,
    /// The documents' ids decide what these leave open.
    pub(super) sort: Vec<Key>,
    /// How many of the first ones.
    pub(super) first: usize,
    /// Names of fields whose values are counted.
    pub(super) facets: Vec<String>,
}

/// What was gathered.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) count: usize,
    pub(super) first: Vec<DocAddress>,
    /// For each facet its values with their counts.
    pub(super) facets: Vec<HashMap<String, u64>>,
}

/// Where a column's values of one key lie.
enum Values {
    Score,
    /// Texts; of those behind a key, this range.
    Text(StrColumn, std::ops::Range<u64>),
    Number(Column<i64>),
    None,
}

impl Values {
    fn open(by: &By, fields: &Fields, segment: &SegmentReader) -> tantivy::Result<Self> {
        let By::Field(name) = by else { return Ok(Self::Score) };
        let columns = segment.fast_fields();
        let (column, key) = match fields.kind(name)? {
            Kind::Exact(field) => (fields.schema.get_field_name(field), None),
            Kind::Text { .. } | Kind::Parts(_) | Kind::KeyedText(_) => return Ok(Self::None),
            Kind::Time(field) | Kind::Number(field) => {
                return Ok(columns.column_opt::<i64>(fields.schema.get_field_name(field))?.map_or(Self::None, Self::Number));
            }
            Kind::KeyedExact(key) => (KEYED_EXACT, Some(key)),
            Kind::KeyedTime(key) => (KEYED_TIME, Some(key)),
        };
        let Some(column) = columns.str(column)? else { return Ok(Self::None) };
        let range = match key {
            None => 0..LAST,
            Some(key) => {
                let at = |text: String| -> tantivy::Result<u64> {
                    use tantivy::columnar::TermOrdHit::{Exact, Next};
                    Ok(match column.dictionary().term_ord_or_next(text)? {
                        Exact(ord) | Next(ord) => ord,
                    })
                };
                at(format!("{key}{KEY_END}"))?..at(format!("{key}{KEY_END}{}", char::MAX))?
            }
        };
        Ok(Self::Text(column, range))
    }

    /// A number that sorts as the document does; smaller comes first.
    fn rank(&self, doc: DocId, score: Score, descending: bool) -> u64 {
        let value = match self {
            Self::Score => Some(u64::from(score.max(0.0).to_bits())),
            Self::Text(column, range) => column.ords().values_for_doc(doc).find(|ord| range.contains(ord)),
            Self::Number(column) => column.first(doc).map(|number| number.cast_unsigned() ^ (1 << 63)),
            Self::None => None,
        };
        match value {
            None => LAST,
            Some(value) if descending => LAST - 1 - value,
            Some(value) => value,
        }
    }
}

/// A rank that holds in every segment.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rank {
    Number(u64),
    Text { text: String, descending: bool },
}

impl Rank {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => one.cmp(other),
            (Self::Text { text: one, descending }, Self::Text { text: other, .. }) => {
                if *descending {
                    other.cmp(one)
                } else {
                    one.cmp(other)
                }
            }
            (Self::Text { .. }, Self::Number(_)) => Ordering::Less, // that one has no value
            (Self::Number(_), Self::Text { .. }) => Ordering::Greater,
        }
    }
}

/// The first documents of one segment.
struct Segment {
    ordinal: SegmentOrdinal,
    count: usize,
    keys: Vec<(Values, bool)>,
    limit: usize,
    first: BinaryHeap<(Vec<u64>, DocId)>,
    facets: Vec<Facet>,
}

/// The counts of one facet in one segment.
enum Facet {
    Text { column: StrColumn, range: std::ops::Range<u64>, counts: Vec<u32>, has_key: bool },
    Number { column: Column<i64>, counts: HashMap<i64, u64>, is_time: bool },
    None,
}

/// A segment's part of what is gathered.
struct Part {
    count: usize,
    first: Vec<(Vec<Rank>, DocAddress)>,
    facets: Vec<HashMap<String, u64>>,
}

impl Collector for Wanted {
    type Fruit = Gathered;
    type Child = Walk;

    fn for_segment(&self, ordinal: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<Walk> {
        let open = |key: &Key| Ok((Values::open(&key.by, &self.fields, segment)?, key.descending));
        let mut keys: Vec<_> = self.sort.iter().map(open).collect::<tantivy::Result<_>>()?;
        keys.push(open(&Key { by: By::Field("id".to_owned()), descending: false })?);
        let facets = self.facets.iter().map(|name| Facet::open(name, &self.fields, segment)).collect::<tantivy::Result<_>>()?;
        Ok(Walk(Segment { ordinal, count: 0, keys, limit: self.first, first: BinaryHeap::new(), facets }))
    }

    fn requires_scoring(&self) -> bool {
        self.first > 0 && self.sort.iter().any(|key| key.by == By::Score)
    }

    fn merge_fruits(&self, parts: Vec<tantivy::Result<PartBox>>) -> tantivy::Result<Gathered> {
        let mut gathered = Gathered { facets: vec![HashMap::new(); self.facets.len()], ..Gathered::default() };
        let mut first = Vec::new();
        for part in parts {
            let part = part?.0;
            gathered.count += part.count;
            first.extend(part.first);
            for (all, counts) in gathered.facets.iter_mut().zip(part.facets) {
                for (value, count) in counts {
                    *all.entry(value).or_default() += count;
                }
            }
        }
        first.sort_by(|(one, _), (other, _)| {
            one.iter().zip(other).map(|(one, other)| one.compare(other)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        });
        first.truncate(self.first);
        gathered.first = first.into_iter().map(|(_, address)| address).collect();
        Ok(gathered)
    }
}

/// A segment that is being walked over.
pub(super) struct Walk(Segment);

/// A part of what is gathered.
pub(super) struct PartBox(Part);

impl SegmentCollector for Walk {
    type Fruit = tantivy::Result<PartBox>;

    fn collect(&mut self, doc: DocId, score: Score) {
        let Segment { count, keys, limit, first, facets, .. } = &mut self.0;
        *count += 1;
        for facet in facets {
            facet.count(doc);
        }
        if *limit == 0 {
            return;
        }
        if first.len() >= *limit {
            let Some((worst, _)) = first.peek() else { return };
            let better =
                keys.iter().zip(worst).find_map(|((values, descending), worst)| match values.rank(doc, score, *descending).cmp(worst) {
                    Ordering::Equal => None,
                    order => Some(order.is_lt()),
                });
            if better != Some(true) {
                return;
            }
            first.pop();
        }
        first.push((keys.iter().map(|(values, descending)| values.rank(doc, score, *descending)).collect(), doc));
    }

    fn harvest(self) -> tantivy::Result<PartBox> {
        let Segment { ordinal, count, keys, first, facets, .. } = self.0;
        let first = first.into_iter();
        let first = first.map(|(ranks, doc)| Ok((whole(&keys, ranks)?, DocAddress::new(ordinal, doc)))).collect::<tantivy::Result<_>>()?;
        let facets = facets.into_iter().map(Facet::harvest).collect::<tantivy::Result<_>>()?;
        Ok(PartBox(Part { count, first, facets }))
    }
}

/// Ranks of one segment as such that hold in every one.
fn whole(keys: &[(Values, bool)], ranks: Vec<u64>) -> tantivy::Result<Vec<Rank>> {
    let mut all = Vec::with_capacity(ranks.len());
    for ((values, descending), rank) in keys.iter().zip(ranks) {
        all.push(match values {
            Values::Text(column, _) if rank != LAST => {
                let mut text = String::new();
                column.ord_to_str(if *descending { LAST - 1 - rank } else { rank }, &mut text)?;
                Rank::Text { text, descending: *descending }
            }
            _ => Rank::Number(rank),
        });
    }
    Ok(all)
}

impl Facet {
    fn open(name: &str, fields: &Fields, segment: &SegmentReader) -> tantivy::Result<Self> {
        let kind = fields.kind(name)?;
        Ok(match Values::open(&By::Field(name.to_owned()), fields, segment)? {
            Values::Text(column, range) => {
                let end = range.end.min(column.num_terms() as u64);
                let range = range.start.min(end)..end;
                let counts = vec![0; usize::try_from(range.end - range.start).unwrap_or_default()];
                Self::Text { column, range, counts, has_key: !matches!(kind, Kind::Exact(_)) }
            }
            Values::Number(column) => Self::Number { column, counts: HashMap::new(), is_time: matches!(kind, Kind::Time(_)) },
            Values::Score | Values::None => Self::None,
        })
    }

    fn count(&mut self, doc: DocId) {
        match self {
            Self::Text { column, range, counts, .. } => {
                for ord in column.ords().values_for_doc(doc).filter(|ord| range.contains(ord)) {
                    if let Some(count) = usize::try_from(ord - range.start).ok().and_then(|at| counts.get_mut(at)) {
                        *count += 1;
                    }
                }
            }
            Self::Number { column, counts, .. } => {
                for number in column.values_for_doc(doc) {
                    *counts.entry(number).or_default() += 1;
                }
            }
            Self::None => {}
        }
    }

    fn harvest(self) -> tantivy::Result<HashMap<String, u64>> {
        match self {
            Self::Text { column, range, counts, has_key } => {
                let used: Vec<(u64, u64)> =
                    (range.start..).zip(counts).filter(|(_, count)| *count > 0).map(|(ord, count)| (ord, count.into())).collect();
                let ords: Vec<u64> = used.iter().map(|(ord, _)| *ord).collect();
                let (mut found, mut at) = (HashMap::with_capacity(used.len()), used.iter());
                column.dictionary().sorted_ords_to_term_cb(&ords, |bytes| {
                    let text = String::from_utf8_lossy(bytes);
                    let value = if has_key { text.split_once(KEY_END).map_or("", |(_, value)| value) } else { &text };
                    if let Some((_, count)) = at.next() {
                        found.insert(value.to_owned(), *count);
                    }
                })?;
                Ok(found)
            }
            Self::Number { counts, is_time, .. } => Ok(counts
                .into_iter()
                .map(|(number, count)| {
                    let shown = if is_time { super::moment::shown(number) } else { None };
                    (shown.unwrap_or_else(|| number.to_string()), count)
                })
                .collect()),
            Self::None => Ok(HashMap::new()),
        }
    }
}
