//! Numbered scenarios: requests and the answers they must get, in `tests/scenarios/*.toml`, for everybody to extend without Rust.
//!
//! ```toml
//! title = "what the scenario promises"
//!
//! # Optional: read after every step that is refused; it must answer as before.
//! [unchanged]
//! call = "GET /api/v1/tables/{dataset}?page=1&page_size=10"
//!
//! [[step]]
//! about = "what is special here"
//! call = "POST /api/v1/collections"
//! as = "bearer"                   # the default; or nobody, signed, basic, ckan, auth-token
//! json = '{"name": "교통"}'        # a JSON body
//! file = "a,b\n1,2\n"             # or a form with one file, or [[step.files]] with part, name, type, text or base64
//! body = "plain"                  # or any text, with
//! type = "text/plain"             # its content type
//! send = { x-other = "1" }        # more headers
//! status = 200
//! answer = '{"id":"<any>"}'       # the whole body; `<any>` stands for any text
//! headers = { allow = "POST" }    # headers that it must have
//! keep = { collection = "id" }    # names a text of the answer for later steps: {collection}; {owner_id} is there from the start
//! ```

use std::{collections::BTreeMap, fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

use crate::{Answer, Call, Client, FilePart, Hub, Login};

/// A file of steps.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The file's name.
    #[serde(skip)]
    pub name: String,
    /// What it promises.
    pub title: String,
    unchanged: Option<Step>,
    step: Vec<Step>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(default)]
    about: String,
    call: String,
    #[serde(default, rename = "as")]
    login: Who,
    json: Option<String>,
    file: Option<String>,
    #[serde(default)]
    files: Vec<File>,
    body: Option<String>,
    r#type: Option<String>,
    #[serde(default)]
    send: BTreeMap<String, String>,
    status: Option<u16>,
    answer: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    keep: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Who {
    #[default]
    Bearer,
    Nobody,
    Signed,
    Basic,
    Ckan,
    AuthToken,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "file_part")]
    part: String,
    #[serde(default = "file_name")]
    name: String,
    #[serde(default = "file_type")]
    r#type: String,
    text: Option<String>,
    base64: Option<String>,
}

fn file_part() -> String {
    "file".to_owned()
}

fn file_name() -> String {
    "rows.csv".to_owned()
}

fn file_type() -> String {
    "text/csv".to_owned()
}

impl Scenario {
    /// Every scenario of the folder, in the order of its number.
    pub fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut paths: Vec<_> = fs::read_dir(folder).expect("the scenarios").map(|entry| entry.expect("a scenario").path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let parsed = toml::from_str(&fs::read_to_string(path).expect("a scenario"));
        assert!(parsed.is_ok(), "{name}: {parsed:?}");
        Self { name, ..parsed.expect("just looked") }
    }

    /// Walks through the steps as the administrator and tells everything that is not as it should be.
    pub async fn problems(self, hub: Hub, admin: Client) -> Vec<String> {
        let kept = BTreeMap::from([("owner_id".to_owned(), hub.credentials().owner_id)]);
        let mut walk = Walk { hub, admin, kept };
        let mut problems = Vec::new();
        for (number, step) in (1..).zip(&self.step) {
            let before = walk.look(self.unchanged.as_ref(), step).await;
            let answer = walk.take(step).await;
            let mut wrong: Vec<_> = walk.compare(step, &answer).into_iter().collect();
            if before != walk.look(self.unchanged.as_ref(), step).await {
                wrong.push("something was changed although it was refused".to_owned());
            }
            let place = format!("{} step {number} ({})", self.name, step.about);
            problems.extend(wrong.into_iter().map(|problem| format!("{place}: {problem}")));
            walk.keep(step, &answer);
        }
        problems
    }
}

struct Walk {
    hub: Hub,
    admin: Client,
    /// Texts of earlier answers by name.
    kept: BTreeMap<String, String>,
}

impl Walk {
    /// What must stay as it is if the step is to be refused.
    async fn look(&self, at: Option<&Step>, step: &Step) -> Option<String> {
        let refused = step.status.is_some_and(|status| status >= 400);
        match at {
            Some(look) if refused => Some(self.take(look).await.is(200).text),
            _ => None,
        }
    }

    async fn take(&self, step: &Step) -> Answer {
        let call = self.filled(&step.call);
        let (method, target) = call.split_once(' ').expect("method and target");
        let call = self.client(step.login).call(method, target);
        let call = step.send.iter().fold(call, |call, (name, value)| call.header(name, value));
        self.with_body(step, call).send().await
    }

    fn client(&self, login: Who) -> Client {
        let login = match login {
            Who::Bearer => return self.admin.clone(),
            Who::Nobody => Login::Nobody,
            Who::Signed => self.hub.signature(),
            Who::Basic => self.hub.space_basic(),
            Who::Ckan => self.hub.ckan_token(),
            Who::AuthToken => self.hub.auth_token(),
        };
        self.admin.with(login)
    }

    fn with_body(&self, step: &Step, call: Call) -> Call {
        if let Some(json) = &step.json {
            return call.body("application/json", self.filled(json));
        }
        if let Some(text) = &step.file {
            return call.form(&[FilePart::csv("rows.csv", text)]);
        }
        if !step.files.is_empty() {
            let bytes: Vec<Vec<u8>> = step.files.iter().map(File::bytes).collect();
            let parts: Vec<_> = step.files.iter().zip(&bytes).map(|(file, bytes)| file.part(bytes)).collect();
            return call.form(&parts);
        }
        match &step.body {
            Some(body) => call.body(step.r#type.as_deref().unwrap_or("text/plain"), body.clone()),
            None => call,
        }
    }

    fn compare(&self, step: &Step, answer: &Answer) -> Option<String> {
        let status = step.status.unwrap_or(200);
        if answer.status != status {
            return Some(format!("expected {status}; {answer}"));
        }
        for (name, wanted) in &step.headers {
            if answer.header(name) != Some(wanted) {
                return Some(format!("expected the header {name}: {wanted}; got {:?}", answer.header(name)));
            }
        }
        let wanted = self.filled(step.answer.as_deref()?);
        (!matches(&wanted, &answer.text)).then(|| format!("\n  expected {wanted}\n  got      {}", answer.text))
    }

    fn keep(&mut self, step: &Step, answer: &Answer) {
        for (name, key) in &step.keep {
            self.kept.insert(name.clone(), answer.text_of(key));
        }
    }

    /// A text with the kept names filled in.
    fn filled(&self, text: &str) -> String {
        self.kept.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }
}

impl File {
    fn bytes(&self) -> Vec<u8> {
        match (&self.text, &self.base64) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(base64)) => STANDARD.decode(base64).expect("base64"),
            (None, None) => Vec::new(),
        }
    }

    fn part<'a>(&'a self, bytes: &'a [u8]) -> FilePart<'a> {
        FilePart { part: &self.part, file: &self.name, media: &self.r#type, bytes }
    }
}

/// Whether a text is of the wanted form, where `<any>` stands for any text.
fn matches(wanted: &str, text: &str) -> bool {
    let mut pieces = wanted.split("<any>");
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut pieces: Vec<_> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_stands_for_any_text() {
        for (wanted, text, fits) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("a<any>c", "abbc", true),
            ("a<any>c", "ac", true),
            ("a<any>c<any>e", "abcde", true),
            ("a<any>c<any>e", "abde", false),
            ("<any>", "", true),
            ("a<any>", "ba", false),
        ] {
            assert_eq!(matches(wanted, text), fits, "{wanted} {text}");
        }
    }

    #[test]
    fn every_scenario_can_be_read() {
        let all = Scenario::all();
        assert!(all.iter().all(|scenario| !scenario.step.is_empty() && !scenario.title.is_empty()));
    }
}
