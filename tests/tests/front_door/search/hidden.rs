//! No count, facet, page or suggestion tells of a dataset that its reader may not see: random datasets and questions, compared with what
//! `package_show` lets each reader see and what an administrator finds.

use std::collections::{BTreeMap, BTreeSet};

use madang_tests::{
    Client, Hub,
    ckan::{Cast, act, result},
    on_every_hub, signature, work,
};
use serde_json::{Value, json};

const DATASETS: usize = 16;
const QUESTIONS: usize = 20;
const WORDS: [&str; 8] = ["alpha", "bravo", "charlie", "물", "데이터", "버스", "delta", "echo"];

/// Numbers that a seed repeats.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).expect("small")).expect("small")
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn some(&mut self, of: &[&str]) -> Vec<String> {
        of.iter().filter(|_| self.below(3) == 0).map(|word| (*word).to_owned()).collect()
    }

    /// A question in words or in Lucene's language.
    fn question(&mut self) -> Value {
        let (one, other) = (self.one(&WORDS), self.one(&WORDS));
        let q = match self.below(9) {
            0 => one.to_owned(),
            1 => format!("{one} {other}"),
            2 => format!("title:{one} OR notes:{other}"),
            3 => format!("tags:({one} OR {other})"),
            4 => format!("-tags:{one}"),
            5 => format!("title:{}*", one.chars().take(2).collect::<String>()),
            6 => "*:*".to_owned(),
            7 => format!("NOT private:true AND text:{one}"),
            _ => format!("{one} -{other}"),
        };
        let sort = self.one(&["score desc, metadata_modified desc", "name asc", "metadata_created desc", "colour asc"]);
        json!({"q": q, "sort": sort, "include_private": self.below(4) > 0, "include_drafts": self.below(2) > 0})
    }
}

#[tokio::test]
async fn nobody_learns_of_what_is_hidden() {
    on_every_hub(|hub| async move {
        let seed = signature::now_ms().unsigned_abs() | 1;
        madang_tests::note(&format!("seed {seed}"));
        Stage::new(&hub, Dice(seed)).await.play().await;
    })
    .await;
}

struct Stage {
    dice: Dice,
    story: String,
    names: Vec<String>,
    sysadmin: Client,
    readers: Vec<(&'static str, Client)>,
}

impl Stage {
    async fn new(hub: &Hub, mut dice: Dice) -> Self {
        let mut cast = Cast::new(hub);
        let sysadmin = cast.person("sysadmin").await;
        let (anna, bob) = (cast.person("anna").await, cast.person("bob").await);
        let story = work::unique("hidden");
        let users = json!([{"name": cast.filled("{anna}"), "capacity": "editor"}]);
        let organization =
            result(&sysadmin, "organization_create", &json!({"name": format!("org-{story}"), "title": "비밀", "users": users})).await;
        let other = result(&sysadmin, "organization_create", &json!({"name": format!("other-{story}"), "title": "Other"})).await;
        let mut names = Vec::new();
        for number in 0..DATASETS {
            let owner = if dice.below(3) == 0 { &other["id"] } else { &organization["id"] };
            let tags: Vec<Value> =
                dice.some(&WORDS).into_iter().filter(|tag| tag.chars().count() > 1).map(|tag| json!({"name": tag})).collect();
            let package = json!({
                "name": format!("d{number}-{story}"), "title": dice.some(&WORDS).join(" "), "notes": dice.some(&WORDS).join(" "),
                "owner_org": owner, "tags": tags, "private": dice.below(2) == 0, "state": dice.one(&["active", "active", "draft"]),
                "extras": [{"key": "story", "value": story}, {"key": "colour", "value": dice.one(&["red", "green", "blue"])}],
            });
            let maker = if dice.below(4) == 0 && owner == &organization["id"] { &anna } else { &sysadmin };
            names.push(result(maker, "package_create", &package).await["name"].as_str().expect("a name").to_owned());
        }
        let readers = vec![("nobody", hub.visitor()), ("bob", bob), ("anna", anna), ("sysadmin", sysadmin.clone())];
        Self { dice, story, names, sysadmin, readers }
    }

    /// What each reader may see, asked one by one.
    async fn seen(&self, reader: &Client) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        for name in &self.names {
            if act(reader, "package_show", &json!({"id": name})).await.status == 200 {
                seen.insert(name.clone());
            }
        }
        seen
    }

    async fn play(mut self) {
        let mut seen = Vec::new();
        for (_, reader) in &self.readers {
            seen.push(self.seen(reader).await);
        }
        assert!(seen[0].len() < seen[3].len() && seen[0].len() <= seen[2].len(), "the dice hid nothing");
        for _ in 0..QUESTIONS {
            let mut question = self.dice.question();
            question["fq"] = format!("story:{}", self.story).into();
            question["facet.field"] = json!(["tags", "organization", "colour", "capacity", "state"]);
            question["rows"] = 1000.into();
            let all = result(&self.sysadmin, "package_search", &question).await;
            let all = all["results"].as_array().expect("a list");
            for ((who, reader), seen) in self.readers.iter().zip(&seen) {
                let wanted: Vec<&Value> = all.iter().filter(|found| seen.contains(found["name"].as_str().expect("a name"))).collect();
                self.same(who, reader, &question, &wanted).await;
            }
            let word = self.dice.one(&WORDS);
            for ((who, reader), seen) in self.readers.iter().zip(&seen) {
                self.suggestions(who, reader, word, seen).await;
            }
        }
    }

    /// A search finds, counts and shows exactly what is wanted, as a whole and page by page.
    async fn same(&self, who: &str, reader: &Client, question: &Value, wanted: &[&Value]) {
        let about = format!("{who}: {question}");
        let found = result(reader, "package_search", question).await;
        assert_eq!(names(found["results"].as_array().expect("a list")), names(wanted.iter().copied()), "{about}");
        assert_eq!(found["count"], wanted.len(), "{about}");
        let text = |found: &Value, pointer: &str| found.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let private = |found: &Value| if found["private"] == true { "private" } else { "public" }.to_owned();
        let colour = |found: &Value| {
            let extras = found["extras"].as_array().expect("a list");
            extras.iter().find(|extra| extra["key"] == "colour").map(|extra| text(extra, "/value")).unwrap_or_default()
        };
        let tags = |found: &Value| found["tags"].as_array().expect("a list").iter().map(|tag| text(tag, "/name")).collect::<Vec<_>>();
        let expected = json!({
            "tags": counted(wanted.iter().flat_map(|found| tags(found))),
            "organization": counted(wanted.iter().map(|found| text(found, "/organization/name"))),
            "colour": counted(wanted.iter().map(|found| colour(found))),
            "capacity": counted(wanted.iter().map(|found| private(found))),
            "state": counted(wanted.iter().map(|found| text(found, "/state"))),
        });
        assert_eq!(found["facets"], expected, "{about}");
        let mut paged = Vec::new();
        for start in (0..).step_by(5) {
            let mut page = question.clone();
            (page["rows"], page["start"]) = (5.into(), start.into());
            let page = result(reader, "package_search", &page).await;
            assert_eq!((&page["count"], &page["facets"]), (&found["count"], &found["facets"]), "{about}");
            let results = page["results"].as_array().expect("a list").clone();
            if results.is_empty() {
                break;
            }
            paged.extend(results);
        }
        assert_eq!(Value::from(paged), found["results"], "{about}");
    }

    async fn suggestions(&self, who: &str, reader: &Client, word: &str, seen: &BTreeSet<String>) {
        let ours = |name: &str| name.ends_with(&self.story);
        for q in [word, "d1"] {
            let found = result(reader, "package_autocomplete", &json!({"q": q, "limit": 1000})).await;
            for name in found.as_array().expect("a list").iter().filter_map(|row| row["name"].as_str()).filter(|name| ours(name)) {
                assert!(seen.contains(name), "{who} is offered {name} for {q}");
            }
        }
    }
}

fn names<'a>(found: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    found.into_iter().map(|found| found["name"].as_str().expect("a name").to_owned()).collect()
}

fn counted(values: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    counts
}
