//! Atom feeds of what changed last: all datasets, a tag's, a group's, an organization's, a query's (ckan.md 1.1).

use std::fmt::Write as _; // a String takes everything

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use madang_kit::ckan::{Dict, Outcome, Refusal};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    answer, body,
    call::{Call, principal},
};
use crate::{
    Gateway,
    credential::{Credential, ncp_signature},
    dialect::request,
};

/// Datasets of one page.
const PAGE: u64 = 20;
/// The last page that can be asked for.
const PAGES_MAX: u64 = 1_000_000;
/// The order of a feed.
const NEWEST_FIRST: &str = "metadata_modified desc";

/// A feed on its way.
struct Feed {
    /// Behind the site's title.
    title: String,
    /// Behind `Recently created or updated datasets on SITE`.
    subtitle: String,
    /// Its path, which is its id too.
    path: String,
    /// The page for people that shows the same.
    page: String,
    q: String,
    filter: String,
    sort: String,
}

/// `GET /feeds/dataset.atom`
pub(super) async fn datasets(State(gateway): State<Gateway>, request: Request) -> Response {
    let feed = Feed {
        title: String::new(),
        subtitle: String::new(),
        path: "/feeds/dataset.atom".to_owned(),
        page: "/dataset".to_owned(),
        q: "*:*".to_owned(),
        filter: String::new(),
        sort: NEWEST_FIRST.to_owned(),
    };
    shown(feed.answer(&gateway, request).await)
}

/// `GET /feeds/tag/{name}.atom`
pub(super) async fn tag(State(gateway): State<Gateway>, Path(name): Path<String>, request: Request) -> Response {
    let answered = async {
        let name = named(&name)?;
        of("tag", "tag", &name, &name, "tags").answer(&gateway, request).await
    };
    shown(answered.await)
}

/// `GET /feeds/group/{name}.atom`
pub(super) async fn group(State(gateway): State<Gateway>, Path(name): Path<String>, request: Request) -> Response {
    shown(of_group(&gateway, &name, request, "group", "groups").await)
}

/// `GET /feeds/organization/{name}.atom`
pub(super) async fn organization(State(gateway): State<Gateway>, Path(name): Path<String>, request: Request) -> Response {
    shown(of_group(&gateway, &name, request, "organization", "organization").await)
}

/// `GET /feeds/custom.atom?q=…`: other parameters are filters.
pub(super) async fn custom(State(gateway): State<Gateway>, request: Request) -> Response {
    let feed = of_query(request.uri().query().unwrap_or_default());
    shown(feed.answer(&gateway, request).await)
}

fn of_query(query: &str) -> Feed {
    let (mut q, mut sort, mut filter) = (String::new(), NEWEST_FIRST.to_owned(), Vec::new());
    let mut path = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "page" => continue,
            "q" => q = value.to_string(),
            "sort" => sort = value.to_string(),
            name if !value.is_empty() && !name.starts_with('_') => filter.push(format!("{}:{}", escaped_name(name), quoted(&value))),
            _ => {}
        }
        path.append_pair(&name, &value);
    }
    let path = path.finish();
    let path = if path.is_empty() { path } else { format!("?{path}") };
    Feed {
        title: " - Custom query".to_owned(),
        subtitle: format!(". Custom query: '{q}'"),
        page: format!("/dataset{path}"),
        path: format!("/feeds/custom.atom{path}"),
        q,
        filter: filter.join(" "),
        sort,
    }
}

/// The name in `name.atom`.
fn named(file: &str) -> Outcome<String> {
    file.strip_suffix(".atom").filter(|name| !name.is_empty()).map(str::to_owned).ok_or_else(Refusal::not_found)
}

async fn of_group(gateway: &Gateway, file: &str, request: Request, kind: &'static str, field: &str) -> Outcome<String> {
    let name = named(file)?;
    let dict = Dict::from_iter([("id".to_owned(), name.into()), ("include_users".to_owned(), false.into())]);
    let action = if kind == "group" { "group_show" } else { "organization_show" };
    let found = call(gateway, &request)?.ask(action, dict).await?;
    let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    of(kind, kind, &text("name"), &text("display_name"), field).answer(gateway, request).await
}

/// The feed of what has a value in a field.
fn of(kind: &str, page: &str, name: &str, title: &str, field: &str) -> Feed {
    let shown = kind.get(..1).map(str::to_uppercase).unwrap_or_default() + kind.get(1..).unwrap_or_default();
    let part: String = form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20");
    Feed {
        title: format!(" - {shown}: \"{title}\""),
        subtitle: format!(" by {kind}: \"{title}\""),
        path: format!("/feeds/{kind}/{part}.atom"),
        page: format!("/{page}/{part}"),
        q: "*:*".to_owned(),
        filter: format!("{field}:{}", quoted(name)),
        sort: NEWEST_FIRST.to_owned(),
    }
}

fn call<'a>(gateway: &'a Gateway, request: &Request) -> Outcome<Call<'a>> {
    let principal = principal(request.extensions().get::<Credential>(), ncp_signature::is_present(request.headers()), false)?;
    Ok(Call { gateway, context: request::context(request.extensions(), principal), action: "package_search", dict: Dict::new() })
}

fn shown(answered: Outcome<String>) -> Response {
    match answered {
        Ok(text) => answer::atom(text),
        Err(refusal) => answer::refused_bare(refusal),
    }
}

/// A value in a query: nothing in it has a meaning.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The name of a field in a query.
fn escaped_name(name: &str) -> String {
    name.chars().flat_map(|c| (!(c.is_alphanumeric() || c == '_')).then_some('\\').into_iter().chain([c])).collect()
}

impl Feed {
    async fn answer(self, gateway: &Gateway, request: Request) -> Outcome<String> {
        let given = body::query(request.uri().query().unwrap_or_default());
        let wanted = match given.get("page") {
            None => Some(1),
            Some(value) => value.as_str().and_then(|text| text.parse::<u64>().ok()).filter(|page| (1..=PAGES_MAX).contains(page)),
        };
        let page = wanted.ok_or_else(|| Refusal::SearchQuery("'\"page\" parameter must be a positive integer'".to_owned()))?;
        let call = call(gateway, &request)?;
        let mut asked = json!({"q": self.q, "sort": self.sort, "rows": PAGE, "start": (page - 1) * PAGE});
        if !self.filter.is_empty() {
            asked["fq"] = self.filter.clone().into();
        }
        let asked = if let Value::Object(asked) = asked { asked } else { Dict::new() };
        let found = call.ask("package_search", asked).await?;
        Ok(self.written(gateway, page, &found))
    }

    /// The feed as XML.
    fn written(&self, gateway: &Gateway, page: u64, found: &Value) -> String {
        let (site, title) = (&gateway.site_url, &gateway.site.site_title);
        let count = found["count"].as_u64().unwrap_or_default();
        let last = count.div_ceil(PAGE).max(1);
        let results = found["results"].as_array().map(Vec::as_slice).unwrap_or_default();
        let address = |page: u64| {
            let sign = if self.path.contains('?') { '&' } else { '?' };
            if page == 1 { format!("{site}{}", self.path) } else { format!("{site}{}{sign}page={page}", self.path) }
        };
        let updated = results.iter().filter_map(|dataset| dataset["metadata_modified"].as_str()).max().unwrap_or("1970-01-01T00:00:00");
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">");
        let _ = write!(xml, "<title>{}</title>", escaped(&format!("{title}{}", self.title)));
        let subtitle = format!("Recently created or updated datasets on {title}{}", self.subtitle);
        let _ = write!(xml, "<id>{}</id><updated>{updated}Z</updated>", escaped(&address(1)));
        let _ = write!(xml, "<subtitle>{}</subtitle><author><name>{}</name></author>", escaped(&subtitle), escaped(title));
        let _ = write!(xml, "<link rel=\"alternate\" href=\"{}\"/>", escaped(&format!("{site}{}", self.page)));
        let mut links = vec![("self", page), ("first", 1), ("last", last)];
        links.extend((page > 1).then(|| ("previous", page - 1)));
        links.extend((page < last).then(|| ("next", page + 1)));
        for (rel, page) in links {
            let _ = write!(xml, "<link rel=\"{rel}\" href=\"{}\"/>", escaped(&address(page)));
        }
        for dataset in results {
            xml.push_str(&entry(site, dataset));
        }
        xml.push_str("</feed>\n");
        xml
    }
}

/// A dataset in a feed.
fn entry(site: &str, dataset: &Value) -> String {
    let text = |name: &str| escaped(dataset[name].as_str().unwrap_or_default());
    let page = format!("{}/dataset/{}", escaped(site), text("name"));
    let title = if dataset["title"].is_null() { text("name") } else { text("title") };
    let mut xml = format!("<entry><title>{title}</title><id>{}/dataset/{}</id>", escaped(site), text("id"));
    let _ = write!(xml, "<updated>{}Z</updated><published>{}Z</published>", text("metadata_modified"), text("metadata_created"));
    let _ = write!(xml, "<link rel=\"alternate\" href=\"{page}\"/><summary>{}</summary>", text("notes"));
    let api = format!("{}/api/3/action/package_show?id={}", escaped(site), text("name"));
    let _ = write!(xml, "<link rel=\"enclosure\" type=\"application/json\" href=\"{api}\"/>");
    for tag in dataset["tags"].as_array().into_iter().flatten() {
        let _ = write!(xml, "<category term=\"{}\"/>", escaped(tag["name"].as_str().unwrap_or_default()));
    }
    xml.push_str("</entry>");
    xml
}

/// A text in XML, without the characters that it can't hold.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\t' | '\n' | '\r' => xml.push(c),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() && c < '\u{80}' => {}
            c => xml.push(c),
        }
    }
    xml
}
