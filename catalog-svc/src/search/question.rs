//! A search: what is asked, by whom, and what is answered.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use madang_kit::{Error, Result};
use tantivy::{
    DocAddress, Searcher, TantivyDocument,
    query::{Occur, Query},
    schema::Value as _,
};

use super::{
    Search,
    collect::{By, Gathered, Key, SORT_KEYS_MAX, Wanted},
    dismax::{self, Rules},
    document::{Values, unpacked},
    fields::{DICT, Fields},
    follow::blocking,
    moment,
    query::{Builder, Failure, combined, everything},
    seen::Standing,
};

/// The text that is searched for, and how it is read.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    /// Everything.
    All,
    /// Lucene's language; the field of terms that name none.
    Lucene { text: String, default: String },
    /// Words, asked of fields with boosts; empty texts = CKAN's own rules.
    Words { text: String, fields: String, tie: Option<f32>, minimum: String },
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) text: Text,
    /// In Lucene's language; all must hold.
    pub(crate) filters: Vec<String>,
    /// As [`parse_sort`] read it.
    pub(crate) sort: Vec<(String, bool)>,
    pub(crate) start: usize,
    pub(crate) rows: usize,
    pub(crate) facets: Vec<String>,
    pub(crate) standing: Standing,
    /// What `NOW` is.
    pub(crate) now: DateTime<Utc>,
    /// What links begin with.
    pub(crate) site_url: String,
}

/// Values of a facet with their counts.
pub(crate) type Facet = HashMap<String, u64>;

/// What is answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) count: usize,
    /// JSON of what `package_show` answers.
    pub(crate) dicts: Vec<String>,
    pub(crate) facets: Vec<Facet>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The question is wrong; a text for its writer.
    Query(String),
    Fault(Error),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Query(text) => Self::Query(text),
            Failure::Index(error) => Self::Fault(super::fault(error)),
        }
    }
}

impl From<tantivy::TantivyError> for Refused {
    fn from(error: tantivy::TantivyError) -> Self {
        Self::Fault(super::fault(error))
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Fault(error)
    }
}

/// Reads `field asc, other desc`; true = descending. `None` if it is none.
pub(crate) fn parse_sort(text: &str) -> Option<Vec<(String, bool)>> {
    let key = |part: &str| {
        let mut words = part.split_whitespace();
        let (name, direction) = (words.next()?, words.next()?);
        let descending = match direction.to_lowercase().as_str() {
            "asc" => false,
            "desc" => true,
            _ => return None,
        };
        words.next().is_none().then(|| (name.to_owned(), descending))
    };
    let keys: Option<Vec<_>> = text.split(',').map(key).collect();
    keys.filter(|keys| keys.len() <= SORT_KEYS_MAX)
}

/// Answers a question from an index that has everything that was written before it was asked.
pub(crate) async fn ask(search: &Search, question: Question) -> std::result::Result<Answer, Refused> {
    let (fields, searcher) = search.newest().await?;
    let _room = search.0.room.acquire().await.map_err(|error| Refused::Fault(Error::internal(error)))?;
    blocking(move || Ok(answer(&fields, &searcher, &question))).await?
}

fn answer(fields: &Fields, searcher: &Searcher, question: &Question) -> std::result::Result<Answer, Refused> {
    let query = query(fields, question)?;
    let key = |(name, descending): &(String, bool)| Key {
        by: match name.as_str() {
            "score" => By::Score,
            "title" => By::Field("title_string".to_owned()),
            name => By::Field(name.to_owned()),
        },
        descending: *descending,
    };
    let first = if question.rows == 0 { 0 } else { question.start.saturating_add(question.rows) };
    let wanted = Wanted {
        fields: fields.clone(),
        // Where everything is found, everything is found equally well.
        sort: question.sort.iter().filter(|(name, _)| name != "score" || !matches!(question.text, Text::All)).map(key).collect(),
        first,
        facets: question.facets.clone(),
    };
    let Gathered { count, first, facets } = searcher.search(&query, &wanted)?;
    let page = first.get(question.start..).unwrap_or_default();
    Ok(Answer { count, dicts: dicts(fields, searcher, page, &question.site_url)?, facets })
}

fn query(fields: &Fields, question: &Question) -> std::result::Result<Box<dyn Query>, Failure> {
    let builder = |default| Builder { fields, now: question.now, default };
    let asked = match &question.text {
        Text::All => everything(),
        Text::Lucene { text, default } => builder(default.as_str()).lucene(text)?,
        Text::Words { text, fields, tie, minimum } => {
            let or = |given: &str, own: &str| if given.is_empty() { own.to_owned() } else { given.to_owned() };
            let rules = Rules {
                fields: dismax::fields(&or(fields, dismax::FIELDS))?,
                tie: tie.unwrap_or(dismax::TIE),
                minimum: or(minimum, dismax::MINIMUM),
            };
            builder("text").dismax(text, &rules)?
        }
    };
    let mut clauses = vec![(Occur::Must, asked), (Occur::Must, question.standing.query(fields)?)];
    for filter in &question.filters {
        clauses.push((Occur::Must, builder("text").filter(filter)?));
    }
    Ok(combined(clauses, None))
}

/// The stored dictionaries of a page, read in the order of the disk.
fn dicts(fields: &Fields, searcher: &Searcher, page: &[DocAddress], site_url: &str) -> std::result::Result<Vec<String>, Refused> {
    let field = fields.get(DICT)?;
    let mut order: Vec<(usize, DocAddress)> = page.iter().copied().enumerate().collect();
    order.sort_by_key(|(_, address)| *address);
    let mut dicts = vec![String::new(); page.len()];
    for (place, address) in order {
        let document: TantivyDocument = searcher.doc(address)?;
        let value = document.get_first(field);
        let dict = value.and_then(|value| unpacked(value.as_bytes()?, site_url));
        let dict = dict.ok_or_else(|| Refused::Fault(Error::internal("a document without a dictionary")))?;
        if let Some(slot) = dicts.get_mut(place) {
            *slot = dict;
        }
    }
    Ok(dicts)
}

impl Answer {
    /// Of each dictionary the fields of the index that are wanted, as a search with `fl` shows them.
    pub(crate) fn fields(&self, wanted: &[String], site_id: &str) -> Result<Vec<serde_json::Value>> {
        let all = wanted.iter().any(|name| name == "*");
        let mut rows = Vec::with_capacity(self.dicts.len());
        for dict in &self.dicts {
            let dict = serde_json::from_str(dict).map_err(Error::internal)?;
            let values = Values::of(&dict, site_id, &HashMap::new());
            let mut row = serde_json::Map::new();
            let names: Vec<&String> = if all {
                values.exact.keys().chain(values.text.keys()).chain(values.times.keys()).collect()
            } else {
                wanted.iter().collect()
            };
            for name in names {
                if let Some(value) = values.shown(name) {
                    row.insert(name.strip_prefix("extras_").unwrap_or(name).to_owned(), value);
                }
            }
            rows.push(row.into());
        }
        Ok(rows)
    }
}

impl Values {
    /// A field as it is stored: a list where it may have many values.
    fn shown(&self, name: &str) -> Option<serde_json::Value> {
        const MANY: [&str; 7] = ["tags", "groups", "res_format", "res_url", "res_type", "res_name", "res_description"];
        let name = if name == "type" { "dataset_type" } else { name };
        if let Some(time) = self.times.get(name) {
            return moment::shown(*time).map(Into::into);
        }
        if let Some(number) = self.numbers.get(name) {
            return Some((*number).into());
        }
        let values = self.exact.get(name).or_else(|| self.text.get(name))?;
        if MANY.contains(&name) || name.starts_with("vocab_") {
            return Some(values.clone().into());
        }
        values.first().map(|value| value.clone().into())
    }
}
