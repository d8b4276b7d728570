//! Scenarios of CKAN's API: `tests/ckan/*.toml`, for everybody to extend without Rust. Each is one story with people of its own.
//!
//! ```toml
//! title = "what the scenario promises"
//!
//! [[step]]
//! about = "what is special here"
//! act = "package_create"            # POST /api/3/action/package_create
//! as = "anna"                       # the default is "sysadmin"; "nobody"; any other name is a person made for this story
//! json = '{"name": "data-{u}"}'     # the dictionary; {u} is a text that no other story has, {anna} her name, {anna.id} her id
//! status = 409                      # the default is 200
//! error = '{"name": ["Missing value"], "__type": "Validation Error"}'   # the whole error dictionary
//! keep = { dataset = "/id" }        # names a text of the result for later steps: {dataset}
//!
//! [[step]]
//! act = "package_show"
//! json = '{"id": "{dataset}"}'
//! result = '"<any>"'                # the whole result; "<any>" stands for any value
//! has = '{"state": "active"}'       # or members that it must have; lists are compared whole
//!
//! [[step]]
//! call = "GET /api/3/action/site_read?x=1"   # or any request, with
//! body = "a=1"
//! type = "application/x-www-form-urlencoded"
//! send = { origin = "http://example.com" }
//! answer = '{"help": "<any>", "success": true, "result": true}'         # the whole JSON body
//! text = "exact text"                                                   # or the whole text
//! headers = { access-control-allow-origin = "*" }
//! ```

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Answer, Client, Hub, Login, work};

/// A story.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// The file's name.
    #[serde(skip)]
    pub name: String,
    /// What it promises.
    pub title: String,
    step: Vec<Step>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    about: String,
    act: Option<String>,
    call: Option<String>,
    #[serde(default, rename = "as")]
    who: Option<String>,
    json: Option<String>,
    body: Option<String>,
    r#type: Option<String>,
    #[serde(default)]
    send: BTreeMap<String, String>,
    status: Option<u16>,
    result: Option<String>,
    has: Option<String>,
    error: Option<String>,
    answer: Option<String>,
    text: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    keep: BTreeMap<String, String>,
}

impl Story {
    /// Every story of the folder, in the order of its number.
    pub fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("ckan");
        let mut paths: Vec<_> = fs::read_dir(folder).expect("the stories").map(|entry| entry.expect("a story").path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let parsed = toml::from_str(&fs::read_to_string(path).expect("a story"));
        assert!(parsed.is_ok(), "{name}: {parsed:?}");
        Self { name, ..parsed.expect("just looked") }
    }

    /// How many behaviours it looks at.
    pub fn steps(&self) -> usize {
        self.step.len()
    }

    /// Walks through the steps and tells everything that is not as it should be.
    pub async fn problems(self, hub: Hub) -> Vec<String> {
        let mut cast = Cast::new(&hub);
        let mut problems = Vec::new();
        for (number, step) in (1..).zip(&self.step) {
            let answer = cast.take(step).await;
            if let Some(problem) = cast.compare(step, &answer) {
                problems.push(format!("{} step {number} ({}): {problem}", self.name, step.about));
            }
            cast.keep(step, &answer);
        }
        problems
    }
}

/// The people of a story, and what it has kept.
pub struct Cast {
    visitor: Client,
    sysadmin: Client,
    people: BTreeMap<String, Client>,
    kept: BTreeMap<String, String>,
}

impl Cast {
    /// Nobody but the administrator is there at first.
    pub fn new(hub: &Hub) -> Self {
        let visitor = hub.visitor();
        let sysadmin = visitor.with(hub.ckan_token());
        let kept = BTreeMap::from([("u".to_owned(), work::unique("u")), ("site".to_owned(), hub.http.clone())]);
        Self { visitor, sysadmin, people: BTreeMap::new(), kept }
    }

    /// Somebody by name; who is not there yet is made.
    pub async fn person(&mut self, name: &str) -> Client {
        match name {
            "nobody" => return self.visitor.clone(),
            "sysadmin" => return self.sysadmin.clone(),
            _ => {}
        }
        if let Some(client) = self.people.get(name) {
            return client.clone();
        }
        let user = work::unique(name);
        let body = json!({"name": user, "email": format!("{user}@example.com"), "password": work::PASSWORD, "with_apitoken": true});
        let made = act(&self.sysadmin, "user_create", &body).await.is(200).json();
        let text = |pointer: &str| made.pointer(pointer).and_then(Value::as_str).expect("a text").to_owned();
        let client = self.visitor.with(Login::header("authorization", text("/result/token")));
        self.kept.insert(name.to_owned(), user);
        self.kept.insert(format!("{name}.id"), text("/result/id"));
        self.people.insert(name.to_owned(), client.clone());
        client
    }

    /// Keeps a text under a name.
    pub fn put(&mut self, name: &str, value: &str) {
        self.kept.insert(name.to_owned(), value.to_owned());
    }

    /// A text with the kept names filled in.
    pub fn filled(&self, text: &str) -> String {
        self.kept.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    async fn take(&mut self, step: &Step) -> Answer {
        let who = step.who.clone().unwrap_or_else(|| "sysadmin".to_owned());
        let client = self.person(&who).await;
        for text in [&step.json, &step.error, &step.has, &step.result, &step.call, &step.body].into_iter().flatten() {
            for named in people_in(text) {
                self.person(&named).await;
            }
        }
        let (method, target) = match (&step.act, &step.call) {
            (Some(act), _) => ("POST".to_owned(), format!("/api/3/action/{act}")),
            (None, Some(call)) => {
                let call = self.filled(call);
                let (method, target) = call.split_once(' ').expect("method and target");
                (method.to_owned(), target.to_owned())
            }
            (None, None) => unreachable!("a step without act or call"),
        };
        let mut call = client.call(&method, &target);
        for (name, value) in &step.send {
            call = call.header(name, &self.filled(value));
        }
        match (&step.json, &step.body) {
            (Some(json), _) => call.body("application/json", self.filled(json)).send().await,
            (None, Some(body)) => call.body(step.r#type.as_deref().unwrap_or("text/plain"), self.filled(body)).send().await,
            (None, None) if step.act.is_some() => call.body("application/json", "{}").send().await,
            (None, None) => call.send().await,
        }
    }

    fn compare(&self, step: &Step, answer: &Answer) -> Option<String> {
        let status = step.status.unwrap_or(200);
        if answer.status != status {
            return Some(format!("expected {status}; {answer}"));
        }
        for (name, wanted) in &step.headers {
            let wanted = self.filled(wanted);
            if answer.header(name) != Some(wanted.as_str()) {
                return Some(format!("expected the header {name}: {wanted}; got {:?}", answer.header(name)));
            }
        }
        if let Some(wanted) = &step.text {
            let wanted = self.filled(wanted);
            return (wanted != answer.text).then(|| format!("\n  expected {wanted}\n  got      {}", answer.text));
        }
        let parts =
            [(&step.answer, "", false), (&step.result, "/result", false), (&step.has, "/result", true), (&step.error, "/error", false)];
        for (wanted, place, partly) in parts {
            let Some(wanted) = wanted else { continue };
            let wanted = self.filled(wanted);
            let parsed: Result<Value, _> = serde_json::from_str(&wanted);
            let Ok(parsed) = parsed else { return Some(format!("not JSON: {wanted}")) };
            let got = answer.json();
            let got = got.pointer(place).cloned().unwrap_or(Value::Null);
            if !fits(&parsed, &got, partly) {
                return Some(format!("\n  expected {parsed}\n  got      {got}"));
            }
        }
        None
    }

    fn keep(&mut self, step: &Step, answer: &Answer) {
        for (name, pointer) in &step.keep {
            let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
            let text = body.pointer(&format!("/result{pointer}")).and_then(Value::as_str).unwrap_or("(nothing was kept)").to_owned();
            self.kept.insert(name.clone(), text);
        }
    }
}

/// People whom a text names by `{anna.id}` before they act.
fn people_in(text: &str) -> Vec<String> {
    let pieces = text.split('{').skip(1).filter_map(|piece| piece.split_once('}').map(|(name, _)| name));
    pieces.filter_map(|name| name.strip_suffix(".id")).map(str::to_owned).collect()
}

/// Whether a value is as wanted, where `"<any>"` stands for any value; partly: members that are not named may be there.
pub fn fits(wanted: &Value, got: &Value, partly: bool) -> bool {
    match (wanted, got) {
        (Value::String(any), _) if any == "<any>" => true,
        (Value::Object(wanted), Value::Object(got)) => {
            (partly || wanted.len() == got.len())
                && wanted.iter().all(|(name, value)| got.get(name).is_some_and(|got| fits(value, got, partly)))
        }
        (Value::Array(wanted), Value::Array(got)) => {
            wanted.len() == got.len() && wanted.iter().zip(got).all(|(wanted, got)| fits(wanted, got, partly))
        }
        (wanted, got) => wanted == got,
    }
}

/// Calls an action with a dictionary.
pub async fn act(client: &Client, action: &str, dict: &Value) -> Answer {
    client.post(&format!("/api/3/action/{action}")).json(dict).send().await
}

/// The result of an action that must succeed.
pub async fn result(client: &Client, action: &str, dict: &Value) -> Value {
    act(client, action, dict).await.is(200).json()["result"].clone()
}
