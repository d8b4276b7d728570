//! The fields of the index (ckan.md 5.5).

use tantivy::{
    Index,
    schema::{FAST, Field, INDEXED, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions},
    tokenizer::TextAnalyzer,
};

use super::analysis::{Cut, KEYED, LETTERS, PLAIN, STEMMED};

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
/// English text, stemmed.
const TEXT: [&str; 4] = ["title", "notes", "text", "urls"];
/// Text whose words stay as they are. `column` holds the names of tables' columns, which only Madang's own search asks for.
const WORDS: [&str; 7] = ["author", "author_email", "maintainer", "maintainer_email", "res_name", "res_description", "column"];
/// Texts that are found by any part.
const PARTS: [&str; 2] = ["name_ngram", "title_ngram"];
/// Times, in microseconds since 1970.
const TIMES: [&str; 3] = ["metadata_created", "metadata_modified", "indexed_ts"];
/// Numbers.
const NUMBERS: [&str; 2] = ["num_resources", "num_tags"];

/// `key<KEY_END>value`: extras, tags of vocabularies, related datasets; exact.
pub(super) const KEYED_EXACT: &str = "keyed";
/// The same of `extras_…` and `res_extras_…`, as text.
pub(super) const KEYED_TEXT: &str = "keyed_text";
/// The same of keys that end in `_date`, with values that sort as text.
pub(super) const KEYED_TIME: &str = "keyed_time";
/// Names of the fields that a document has.
pub(super) const PRESENT: &str = "present";
/// Who sees it (ckan.md 2.5).
pub(super) const LABEL: &str = "permission_labels";
/// Groups of users that may read it, of its own and of its organization's; [`ANY`] if nothing narrows.
pub(super) const READERS: &str = "readers";
pub(super) const OWNER_READERS: &str = "owner_readers";
/// No group narrows who reads.
pub(super) const ANY: &str = "*";
/// What `package_show` answers: the bytes of its JSON.
pub(super) const DICT: &str = "dict";

/// What a name of a query means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Exact(Field),
    Text {
        field: Field,
        stems: bool,
    },
    Parts(Field),
    Time(Field),
    Number(Field),
    /// Exact values behind a key.
    KeyedExact(String),
    /// Text behind a key.
    KeyedText(String),
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
        for name in EXACT.into_iter().chain([LABEL, READERS, OWNER_READERS, KEYED_EXACT, KEYED_TIME]) {
            schema.add_text_field(name, whole().set_fast("raw"));
        }
        schema.add_text_field(PRESENT, whole());
        for (names, tokenizer) in
            [(TEXT.as_slice(), STEMMED), (WORDS.as_slice(), PLAIN), ([KEYED_TEXT].as_slice(), KEYED), (PARTS.as_slice(), LETTERS)]
        {
            let indexing = TextFieldIndexing::default().set_tokenizer(tokenizer).set_index_option(IndexRecordOption::WithFreqsAndPositions);
            for name in names {
                schema.add_text_field(name, TextOptions::default().set_indexing_options(indexing.clone()));
            }
        }
        for name in TIMES.into_iter().chain(NUMBERS) {
            schema.add_i64_field(name, INDEXED | FAST);
        }
        schema.add_bytes_field(DICT, STORED);
        Self { schema: schema.build() }
    }

    /// Tells an index how its texts are cut.
    pub(super) fn register(index: &Index) {
        for (name, cut) in [(STEMMED, Cut::Stemmed), (PLAIN, Cut::Plain), (KEYED, Cut::Keyed), (LETTERS, Cut::Letters)] {
            index.tokenizers().register(name, TextAnalyzer::builder(cut).build());
        }
    }

    /// A field of the index.
    pub(super) fn get(&self, name: &str) -> tantivy::Result<Field> {
        self.schema.get_field(name)
    }

    /// What a name of a query means; names that are no fields are keys.
    pub(super) fn kind(&self, name: &str) -> tantivy::Result<Kind> {
        let name = if name == "type" { "dataset_type" } else { name };
        if EXACT.contains(&name) || name == LABEL {
            return Ok(Kind::Exact(self.get(name)?));
        }
        if TEXT.contains(&name) || WORDS.contains(&name) {
            return Ok(Kind::Text { field: self.get(name)?, stems: TEXT.contains(&name) });
        }
        if PARTS.contains(&name) {
            return Ok(Kind::Parts(self.get(name)?));
        }
        if TIMES.contains(&name) {
            return Ok(Kind::Time(self.get(name)?));
        }
        if NUMBERS.contains(&name) {
            return Ok(Kind::Number(self.get(name)?));
        }
        let key = name.to_owned();
        if name.starts_with("extras_") || name.starts_with("res_extras_") {
            return Ok(Kind::KeyedText(key));
        }
        Ok(if name.ends_with("_date") { Kind::KeyedTime(key) } else { Kind::KeyedExact(key) })
    }
}

/// A field of exact values: how many there are says nothing of how well one was found.
fn whole() -> TextOptions {
    let indexing = TextFieldIndexing::default().set_tokenizer("raw").set_index_option(IndexRecordOption::Basic).set_fieldnorms(false);
    TextOptions::default().set_indexing_options(indexing)
}

/// Whether a name is a field of the index, so that no extra has it.
pub(super) fn is_field(name: &str) -> bool {
    let own = [LABEL, READERS, OWNER_READERS, KEYED_EXACT, KEYED_TEXT, KEYED_TIME, PRESENT, DICT, "type"];
    let lists = [EXACT.as_slice(), &TEXT, &WORDS, &PARTS, &TIMES, &NUMBERS, &own];
    lists.iter().any(|list| list.contains(&name))
}
