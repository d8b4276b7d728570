//! What a search gathers in one walk over what is found: how many, the first of them in an order, and the counts of facets.

use std::{cmp::Ordering, collections::HashMap};

use tantivy::{
    DocAddress, DocId, Score, SegmentOrdinal, SegmentReader,
    collector::{Collector, SegmentCollector},
    columnar::{Column, StrColumn},
};

use super::{
    analysis::KEY_END,
    fields::{Fields, KEYED_EXACT, KEYED_TIME, Kind, ORDER, keyed},
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
    /// The ids' order decides what these leave open.
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
            Kind::Exact(name) => (name, None),
            Kind::Text(_) | Kind::Parts(_) | Kind::KeyedText { .. } => return Ok(Self::None),
            Kind::Time(field) | Kind::Number(field) => {
                return Ok(columns.column_opt::<i64>(fields.schema.get_field_name(field))?.map_or(Self::None, Self::Number));
            }
            Kind::KeyedExact(key) => (KEYED_EXACT.to_owned(), Some(key)),
            Kind::KeyedTime(key) => (KEYED_TIME.to_owned(), Some(key)),
        };
        let Some(column) = columns.str(&column)? else { return Ok(Self::None) };
        let range = match key {
            None => 0..LAST,
            Some(key) => {
                let at = |text: String| -> tantivy::Result<u64> {
                    use tantivy::columnar::TermOrdHit::{Exact, Next};
                    Ok(match column.dictionary().term_ord_or_next(text)? {
                        Exact(ord) | Next(ord) => ord,
                    })
                };
                at(keyed(&key, ""))?..at(keyed(&key, &char::MAX.to_string()))?
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

/// What is gathered of one segment.
struct Segment {
    ordinal: SegmentOrdinal,
    count: usize,
    keys: Vec<(Values, bool)>,
    first: First,
    facets: Vec<Facet>,
}

/// The first documents of a segment. Twice as many as are wanted are taken in before the worse half is thrown out, so that one more
/// costs the same whatever its place.
struct First {
    limit: usize,
    /// Ranks of one document.
    width: usize,
    ranks: Vec<u64>,
    docs: Vec<DocId>,
    /// What the next one has to be before, once there are enough.
    worst: Vec<u64>,
}

impl First {
    fn take(&mut self, keys: &[(Values, bool)], doc: DocId, score: Score) {
        if self.limit == 0 {
            return;
        }
        let start = self.ranks.len();
        let mut equal = !self.worst.is_empty();
        for (number, (values, descending)) in keys.iter().enumerate() {
            let rank = values.rank(doc, score, *descending);
            if equal && let Some(worst) = self.worst.get(number) {
                if rank > *worst {
                    self.ranks.truncate(start);
                    return;
                }
                equal = rank == *worst;
            }
            self.ranks.push(rank);
        }
        self.docs.push(doc);
        if self.docs.len() >= self.limit.saturating_mul(2) {
            self.cut();
        }
    }

    fn ranks_of(&self, number: usize) -> &[u64] {
        self.ranks.get(number * self.width..(number + 1) * self.width).unwrap_or_default()
    }

    /// Keeps as many as are wanted.
    fn cut(&mut self) {
        if self.docs.len() <= self.limit {
            return;
        }
        let mut numbers: Vec<usize> = (0..self.docs.len()).collect();
        numbers.select_nth_unstable_by(self.limit - 1, |one, other| self.ranks_of(*one).cmp(self.ranks_of(*other)));
        numbers.truncate(self.limit);
        let worst = numbers.last().map(|number| self.ranks_of(*number).to_vec()).unwrap_or_default();
        let ranks = numbers.iter().flat_map(|number| self.ranks_of(*number)).copied().collect();
        let docs = numbers.iter().filter_map(|number| self.docs.get(*number)).copied().collect();
        (self.ranks, self.docs, self.worst) = (ranks, docs, worst);
    }
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
        let order = segment.fast_fields().column_opt::<i64>(ORDER)?;
        keys.push((order.map_or(Values::None, Values::Number), false));
        let limit = self.first.min(usize::try_from(segment.max_doc()).unwrap_or(usize::MAX));
        let first = First { limit, width: keys.len(), ranks: Vec::new(), docs: Vec::new(), worst: Vec::new() };
        let facets = self.facets.iter().map(|name| Facet::open(name, &self.fields, segment)).collect::<tantivy::Result<_>>()?;
        Ok(Walk(Segment { ordinal, count: 0, keys, first, facets }))
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
        let Segment { count, keys, first, facets, .. } = &mut self.0;
        *count += 1;
        for facet in facets {
            facet.count(doc);
        }
        first.take(keys, doc, score);
    }

    fn harvest(self) -> tantivy::Result<PartBox> {
        let Segment { ordinal, count, keys, mut first, facets, .. } = self.0;
        first.cut();
        let first = whole(&keys, &first, ordinal)?;
        let facets = facets.into_iter().map(Facet::harvest).collect::<tantivy::Result<_>>()?;
        Ok(PartBox(Part { count, first, facets }))
    }
}

/// Ranks of one segment as such that hold in every one.
fn whole(keys: &[(Values, bool)], first: &First, ordinal: SegmentOrdinal) -> tantivy::Result<Vec<(Vec<Rank>, DocAddress)>> {
    let mut all: Vec<(Vec<Rank>, DocAddress)> =
        first.docs.iter().map(|doc| (Vec::with_capacity(keys.len()), DocAddress::new(ordinal, *doc))).collect();
    for (place, (values, descending)) in keys.iter().enumerate() {
        let ranks: Vec<u64> = (0..all.len()).filter_map(|number| first.ranks_of(number).get(place).copied()).collect();
        let ord = |rank: u64| if *descending { LAST - 1 - rank } else { rank };
        let texts = match values {
            Values::Text(column, _) => texts(column, ranks.iter().filter(|rank| **rank != LAST).map(|rank| ord(*rank)).collect())?,
            _ => HashMap::new(),
        };
        for ((found, _), rank) in all.iter_mut().zip(ranks) {
            found.push(match texts.get(&ord(rank.min(LAST - 1))).filter(|_| rank != LAST) {
                Some(text) => Rank::Text { text: text.clone(), descending: *descending },
                None => Rank::Number(rank),
            });
        }
    }
    Ok(all)
}

/// The texts behind numbers of a segment, read in the order of the disk.
fn texts(column: &StrColumn, mut ords: Vec<u64>) -> tantivy::Result<HashMap<u64, String>> {
    ords.sort_unstable();
    ords.dedup();
    let (mut texts, mut at) = (HashMap::with_capacity(ords.len()), ords.iter());
    column.dictionary().sorted_ords_to_term_cb(&ords, |bytes| {
        if let Some(ord) = at.next() {
            texts.insert(*ord, String::from_utf8_lossy(bytes).into_owned());
        }
    })?;
    Ok(texts)
}

impl Facet {
    fn open(name: &str, fields: &Fields, segment: &SegmentReader) -> tantivy::Result<Self> {
        let kind = fields.kind(name)?;
        Ok(match Values::open(&By::Field(name.to_owned()), fields, segment)? {
            Values::Text(column, range) => {
                let end = range.end.min(u64::try_from(column.num_terms()).unwrap_or(u64::MAX));
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
