//! Who sees what, as a part of the query (ckan.md 2.5): the same rule as `store::thing::visible`, over the labels of documents.

use madang_kit::{Db, Result};
use tantivy::query::{AllQuery, BooleanQuery, ConstScoreQuery, Occur, Query, TermSetQuery};

use super::fields::{ANY, Fields, LABEL, OWNER_READERS, READERS};
use crate::store::{search as store, thing::Reader};

/// What somebody is to datasets.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// He passes every check.
    Everything,
    Somebody {
        /// Labels that show a dataset to him whatever its groups of readers.
        own: Vec<String>,
        /// Labels of what everybody like him sees.
        common: Vec<String>,
        /// Groups of readers that he is in.
        groups: Vec<String>,
    },
}

impl Standing {
    /// Looks somebody up.
    pub(crate) async fn of(db: &Db, reader: &Reader) -> Result<Self> {
        if reader.admin {
            return Ok(Self::Everything);
        }
        let (mut own, mut common, mut groups) = (Vec::new(), vec!["public".to_owned()], vec![ANY.to_owned()]);
        if !reader.is_nobody() {
            common.push("signed-in".to_owned());
            own.push(format!("creator-{}", reader.id));
            for (kind, value) in store::standings(db, &reader.id).await? {
                match kind.as_str() {
                    "reader" => groups.push(value),
                    kind => own.push(format!("{kind}-{value}")),
                }
            }
        }
        Ok(Self::Somebody { own, common, groups })
    }

    /// The query that finds what he sees.
    pub(super) fn query(&self, fields: &Fields) -> tantivy::Result<Box<dyn Query>> {
        let Self::Somebody { own, common, groups } = self else { return Ok(Box::new(AllQuery)) };
        let any_of = |name: &str, values: &[String]| -> tantivy::Result<Box<dyn Query>> {
            let terms = values.iter().map(|value| fields.exact(name, value)).collect::<tantivy::Result<Vec<_>>>()?;
            Ok(Box::new(TermSetQuery::new(terms)))
        };
        let shared = BooleanQuery::new(vec![
            (Occur::Must, any_of(LABEL, common)?),
            (Occur::Must, any_of(READERS, groups)?),
            (Occur::Must, any_of(OWNER_READERS, groups)?),
        ]);
        let mut ways: Vec<(Occur, Box<dyn Query>)> = vec![(Occur::Should, Box::new(shared))];
        if !own.is_empty() {
            ways.push((Occur::Should, any_of(LABEL, own)?));
        }
        Ok(Box::new(ConstScoreQuery::new(Box::new(BooleanQuery::new(ways)), 0.0)))
    }
}
