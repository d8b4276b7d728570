//! Searches over small catalogues: `tests/search/*.toml`, for everybody to extend without Rust.
//!
//! ```toml
//! title = "what the file promises"
//!
//! [[prepare]]
//! act = "package_create"
//! json = '{"name": "river-{u}", "extras": [{"key": "story", "value": "{u}"}]}'   # each dataset of the story says so
//! as = "anna"                       # as in the stories of tests/ckan
//! keep = { river = "/id" }
//!
//! [[search]]
//! about = "what is special here"
//! json = '{"q": "water"}'           # `story:{u}` is added to its filters
//! as = "nobody"                     # the default is "sysadmin"
//! find = ["river", "lake"]          # names without `-{u}`, in this order
//! any_order = true                  # or in any
//! count = 2                         # the default is the length of `find`
//! facets = '{}'                     # the whole of each, if given
//! items = '{}'                      # `search_facets`
//! results = '[]'
//! status = 409
//! error = '{}'
//! ```

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Answer, Hub,
    ckan::{Cast, act, fits},
};

/// A catalogue and the searches in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// What it promises.
    pub title: String,
    prepare: Vec<Preparation>,
    search: Vec<Search>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Preparation {
    act: String,
    json: String,
    #[serde(default, rename = "as")]
    who: Option<String>,
    #[serde(default)]
    keep: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    about: String,
    json: String,
    #[serde(default, rename = "as")]
    who: Option<String>,
    find: Option<Vec<String>>,
    #[serde(default)]
    any_order: bool,
    count: Option<usize>,
    facets: Option<String>,
    items: Option<String>,
    results: Option<String>,
    status: Option<u16>,
    error: Option<String>,
}

impl Catalogue {
    /// Every file of the folder, in the order of its number.
    pub fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("search");
        let mut paths: Vec<_> = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file").path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        let read = |path: &std::path::PathBuf| {
            let parsed = toml::from_str(&fs::read_to_string(path).expect("a file"));
            assert!(parsed.is_ok(), "{}: {parsed:?}", path.display());
            parsed.expect("just looked")
        };
        paths.iter().map(read).collect()
    }

    /// How many searches it has.
    pub fn searches(&self) -> usize {
        self.search.len()
    }

    /// Makes the catalogue, searches, and tells everything that is not as it should be.
    pub async fn problems(self, hub: Hub) -> Vec<String> {
        let mut cast = Cast::new(&hub);
        for name in ["anna", "bob"] {
            cast.person(name).await;
        }
        for step in &self.prepare {
            let client = cast.person(step.who.as_deref().unwrap_or("sysadmin")).await;
            let dict: Value = serde_json::from_str(&cast.filled(&step.json)).expect("JSON");
            let answer = act(&client, &step.act, &dict).await;
            if answer.status != 200 {
                return vec![format!("{} {dict}: {answer}", step.act)];
            }
            let result = answer.json()["result"].clone();
            for (name, pointer) in &step.keep {
                cast.put(name, result.pointer(pointer).and_then(Value::as_str).expect("a text"));
            }
        }
        let mut problems = Vec::new();
        for search in &self.search {
            let client = cast.person(search.who.as_deref().unwrap_or("sysadmin")).await;
            let mut dict: Value = serde_json::from_str(&cast.filled(&search.json)).expect("JSON");
            let own = json!(cast.filled("story:{u}"));
            match &mut dict["fq_list"] {
                Value::Array(list) => list.push(own),
                other => *other = if other.is_null() { json!([own]) } else { json!([other.take(), own]) },
            }
            let answer = act(&client, "package_search", &dict).await;
            if let Some(problem) = search.compare(&cast, &answer) {
                problems.push(format!("{} {}: {problem}", search.about, search.json));
            }
        }
        problems
    }
}

impl Search {
    fn compare(&self, cast: &Cast, answer: &Answer) -> Option<String> {
        if answer.status != self.status.unwrap_or(200) {
            return Some(format!("got {answer}"));
        }
        let got = answer.json();
        let parts = [
            (&self.error, "/error"),
            (&self.facets, "/result/facets"),
            (&self.items, "/result/search_facets"),
            (&self.results, "/result/results"),
        ];
        for (wanted, place) in parts {
            let Some(wanted) = wanted else { continue };
            let wanted: Value = serde_json::from_str(&cast.filled(wanted)).expect("JSON");
            let got = got.pointer(place).cloned().unwrap_or_default();
            if !fits(&wanted, &got, false) {
                return Some(format!("\n  expected {wanted}\n  got      {got}"));
            }
        }
        let Some(wanted) = &self.find else { return None };
        let ending = cast.filled("-{u}");
        let results = got["result"]["results"].as_array().expect("a list");
        let mut names: Vec<String> = results.iter().map(|found| found["name"].as_str().expect("a name").replace(&ending, "")).collect();
        let mut wanted = wanted.clone();
        if self.any_order {
            names.sort();
            wanted.sort();
        }
        let count = self.count.unwrap_or(wanted.len());
        if names != wanted || got["result"]["count"] != count {
            return Some(format!("\n  expected {count} {wanted:?}\n  got      {} {names:?}", got["result"]["count"]));
        }
        None
    }
}
