//! The fields of the index (ckan.md 5.5).

use tantivy::{
    Index, Term,
    schema::{FAST, Field, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions},
    tokenizer::TextAnalyzer,
};

use super::analysis::{Cut, KEY_END, KEYED, STEMMED};

/// Raised whenever an index of another kind than before is built: one with another number is built anew.
pub(super) const FORMAT: u32 = 1;

/// Exact texts: facets, sorting, ranges.
const EXACT: [&str; 23] = [
    "id",
    "name",
    "state",
    "dataset_type",
    "entity_type",
    "site_id",
    "version",
    "url",
    "license",
    "license_id",
    "license_title",
    "tags",
    "groups",
    "organization",
    "owner_org",
    "creator_user_id",
    "capacity",
    "private",
    "isopen",
    "res_format",
    "res_url",
    "res_type",
    "title_string",
];
/// English text, stemmed, in a field of the index of its own, because how long it is says how well a word was found.
const TEXT: [&str; 3] = ["title", "notes", "text"];
/// Text behind a key whose words stay as they are. `column` holds the names of tables' columns, which only Madang's own search asks for.
pub(super) const WORDS: [&str; 7] = ["author", "author_email", "maintainer", "maintainer_email", "res_name", "res_description", "column"];
/// Text behind a key that is found by any part.
pub(super) const PARTS: [&str; 2] = ["name_ngram", "title_ngram"];
/// Other text behind a key.
const URLS: &str = "urls";
/// Times, in microseconds since 1970.
const TIMES: [&str; 3] = ["metadata_created", "metadata_modified", "indexed_ts"];
/// Numbers.
const NUMBERS: [&str; 2] = ["num_resources", "num_tags"];

/// `key<KEY_END>value` of every exact value, for queries. One field for all: each field of the index costs every commit a millisecond.
const ALL_EXACT: &str = "exact";
/// The same of extras, tags of vocabularies, for facets and sorting; fields of their own have columns of their own.
pub(super) const KEYED_EXACT: &str = "keyed";
/// The same of text that has no field of its own.
pub(super) const KEYED_TEXT: &str = "keyed_text";
/// The same of keys that end in `_date`, with values that sort as text.
pub(super) const KEYED_TIME: &str = "keyed_time";
/// Stands before the key of such a value among the exact ones.
pub(super) const TIME_OF: &str = "time:";
/// Names of the fields that a document has.
pub(super) const PRESENT: &str = "present";
/// Who sees it (ckan.md 2.5).
pub(super) const LABEL: &str = "permission_labels";
/// Groups of users that may read it, of its own and of its organization's; [`ANY`] if nothing narrows.
pub(super) const READERS: &str = "readers";
pub(super) const OWNER_READERS: &str = "owner_readers";
/// No group narrows who reads.
pub(super) const ANY: &str = "*";
/// A number from the id, which orders what nothing else does.
pub(super) const ORDER: &str = "order";
/// What `package_show` answers: the bytes of its JSON.
pub(super) const DICT: &str = "dict";

/// What a name of a query means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Exact values of a field.
    Exact(String),
    /// Exact values behind a key that is no field.
    KeyedExact(String),
    Text(Field),
    KeyedText {
        key: String,
        stems: bool,
    },
    /// Text that is found by any part.
    Parts(String),
    Time(Field),
    Number(Field),
    /// Times behind a key.
    KeyedTime(String),
}

/// The fields by their names.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    pub(super) schema: Schema,
}

impl Fields {
    pub(super) fn new() -> Self {
        let mut schema = Schema::builder();
        for name in EXACT.into_iter().chain([LABEL, KEYED_EXACT, KEYED_TIME]) {
            schema.add_text_field(name, TextOptions::default().set_fast("raw"));
        }
        // How many exact values there are says nothing of how well one was found.
        let whole = TextFieldIndexing::default().set_tokenizer("raw").set_index_option(IndexRecordOption::Basic).set_fieldnorms(false);
        schema.add_text_field(ALL_EXACT, TextOptions::default().set_indexing_options(whole));
        for (names, tokenizer) in [(TEXT.as_slice(), STEMMED), (&[KEYED_TEXT], KEYED)] {
            let indexing = TextFieldIndexing::default().set_tokenizer(tokenizer).set_index_option(IndexRecordOption::WithFreqsAndPositions);
            for name in names {
                schema.add_text_field(name, TextOptions::default().set_indexing_options(indexing.clone()));
            }
        }
        for name in TIMES.into_iter().chain(NUMBERS).chain([ORDER]) {
            schema.add_i64_field(name, FAST);
        }
        schema.add_bytes_field(DICT, STORED);
        Self { schema: schema.build() }
    }

    /// Tells an index how its texts are cut.
    pub(super) fn register(index: &Index) {
        for (name, cut) in [(STEMMED, Cut::Stemmed), (KEYED, Cut::Keyed)] {
            index.tokenizers().register(name, TextAnalyzer::builder(cut).build());
        }
    }

    /// A field of the index.
    pub(super) fn get(&self, name: &str) -> tantivy::Result<Field> {
        self.schema.get_field(name)
    }

    /// The field of every exact value.
    pub(super) fn all_exact(&self) -> tantivy::Result<Field> {
        self.get(ALL_EXACT)
    }

    /// An exact value of a field or behind a key.
    pub(super) fn exact(&self, name: &str, value: &str) -> tantivy::Result<Term> {
        Ok(Term::from_field_text(self.all_exact()?, &keyed(name, value)))
    }

    /// What a name of a query means; names that are no fields are keys.
    pub(super) fn kind(&self, name: &str) -> tantivy::Result<Kind> {
        let name = if name == "type" { "dataset_type" } else { name };
        let key = name.to_owned();
        if EXACT.contains(&name) || name == LABEL {
            return Ok(Kind::Exact(key));
        }
        if TEXT.contains(&name) {
            return Ok(Kind::Text(self.get(name)?));
        }
        if PARTS.contains(&name) {
            return Ok(Kind::Parts(key));
        }
        if TIMES.contains(&name) {
            return Ok(Kind::Time(self.get(name)?));
        }
        if NUMBERS.contains(&name) {
            return Ok(Kind::Number(self.get(name)?));
        }
        let is_plain = WORDS.contains(&name);
        if is_plain || name == URLS || name.starts_with("extras_") || name.starts_with("res_extras_") {
            return Ok(Kind::KeyedText { key, stems: !is_plain });
        }
        Ok(if name.ends_with("_date") { Kind::KeyedTime(key) } else { Kind::KeyedExact(key) })
    }
}

/// A value behind a key.
pub(super) fn keyed(key: &str, value: &str) -> String {
    format!("{key}{KEY_END}{value}")
}

/// Whether exact values of a name have a column of their own.
pub(super) fn has_column(name: &str) -> bool {
    EXACT.contains(&name) || name == LABEL
}

/// Whether text of a name has a field of its own.
pub(super) fn has_text_field(name: &str) -> bool {
    TEXT.contains(&name)
}

/// Whether a name is a field of the index, so that no extra has it.
pub(super) fn is_field(name: &str) -> bool {
    let own = [URLS, LABEL, READERS, OWNER_READERS, ALL_EXACT, KEYED_EXACT, KEYED_TEXT, KEYED_TIME, PRESENT, ORDER, DICT, "type"];
    let lists = [EXACT.as_slice(), &TEXT, &WORDS, &PARTS, &TIMES, &NUMBERS, &own];
    lists.iter().any(|list| list.contains(&name))
}
