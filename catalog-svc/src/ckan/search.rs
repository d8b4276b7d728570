//! `package_search` (ckan.md section 5): parameters to a question, and the answer around what the index found.

use std::collections::{BTreeSet, HashMap};

use madang_kit::{
    Error, Result,
    ckan::{Dict, Outcome, Refusal, text_of},
};
use serde_json::{Value, json};

use super::{Act, act::texts, license, package};
use crate::{
    Catalog,
    search::{Answer, Facet, Question, Refused, Standing, Text, ask, parse_sort},
    store::{ckan::package::Package, search as store},
};

/// Stands for the site's address in dictionaries that are kept.
pub(crate) const SITE_MARK: &str = "\u{1}site\u{1}";
/// The order if none is wanted.
const BEST_FIRST: &str = "score desc, metadata_modified desc";
/// Datasets in one answer if it does not say how many.
const ROWS: i64 = 10;
/// Facets of one search.
const FACETS_MAX: usize = 50;
/// Filters of one search.
const FILTERS_MAX: usize = 100;
/// What a search may be given; `ext_…` is for extensions and is let pass.
const KNOWN: [&str; 26] = [
    "q",
    "fq",
    "fq_list",
    "rows",
    "start",
    "sort",
    "facet",
    "facet.field",
    "facet.limit",
    "facet.mincount",
    "include_drafts",
    "include_private",
    "include_deleted",
    "use_default_schema",
    "fl",
    "qf",
    "bf",
    "boost",
    "tie",
    "mm",
    "defType",
    "wt",
    "df",
    "extras",
    "for_view",
    "include_organizations",
];

/// The dictionaries of packages as they are kept, in the order of the packages.
pub(crate) async fn marked_dicts(catalog: &Catalog, packages: Vec<Package>) -> Result<Vec<Dict>> {
    let mut act = Act::of_the_house(catalog, SITE_MARK);
    match package::dicts(&mut act, packages).await {
        Ok(dicts) => Ok(dicts),
        Err(Refusal::Fault(error)) => Err(error),
        Err(refusal) => Err(Error::internal(format!("a package can't be shown: {refusal:?}"))),
    }
}

/// `package_search`
pub(super) async fn packages(act: &mut Act) -> Outcome {
    let wanted = Wanted::read(act)?;
    let standing = Standing::of(&act.catalog.db, &act.reader).await?;
    let question = Question {
        text: wanted.text.clone(),
        filters: wanted.filters.clone(),
        sort: wanted.keys.clone(),
        start: wanted.start,
        rows: wanted.rows,
        facets: wanted.facets.clone(),
        standing,
        now: act.now,
        site_url: act.site_url.clone(),
    };
    let answer = asked(act, question).await?;
    let (facets, search_facets) = shown_facets(act, &wanted, &answer.facets).await?;
    let results = match &wanted.fields {
        Some(fields) => Value::from(answer.fields(fields, &act.site.site_id)?).to_string(),
        None => format!("[{}]", answer.dicts.join(",")),
    };
    let sort = Value::from(wanted.sort);
    let (facets, search_facets) = (Value::from(facets), Value::from(search_facets));
    act.written = Some(format!(
        "{{\"count\":{},\"facets\":{facets},\"results\":{results},\"sort\":{sort},\"search_facets\":{search_facets}}}",
        answer.count
    ));
    Ok(Value::Null)
}

/// What is found, or CKAN's refusal of a wrong query.
pub(super) async fn asked(act: &Act, question: Question) -> Outcome<Answer> {
    match ask(&act.catalog.search, question).await {
        Ok(answer) => Ok(answer),
        Err(Refused::Query(text)) => Err(Refusal::Search(python_quoted(&text))),
        Err(Refused::Fault(error)) => Err(error.into()),
    }
}

/// A question about what a caller sees, without facets, in the best order.
pub(super) async fn plain_question(act: &Act, text: Text, rows: i64) -> Outcome<Question> {
    Ok(Question {
        text,
        filters: vec!["state:active".to_owned()],
        sort: parse_sort(BEST_FIRST).unwrap_or_default(),
        start: 0,
        rows: usize::try_from(rows).unwrap_or_default(),
        facets: Vec::new(),
        standing: Standing::of(&act.catalog.db, &act.reader).await?,
        now: act.now,
        site_url: act.site_url.clone(),
    })
}

/// The parameters of a search.
struct Wanted {
    text: Text,
    filters: Vec<String>,
    sort: String,
    keys: Vec<(String, bool)>,
    start: usize,
    rows: usize,
    facets: Vec<String>,
    facet_limit: Option<usize>,
    facet_minimum: u64,
    /// Fields of the index in place of dictionaries.
    fields: Option<Vec<String>>,
}

impl Wanted {
    fn read(act: &Act) -> Outcome<Self> {
        let natural = |name, default, limit| act.natural(name, default, limit).map(|number| usize::try_from(number).unwrap_or_default());
        let (rows, start) = (natural("rows", ROWS, act.site.rows_max)?, natural("start", 0, i64::MAX)?);
        let facet_minimum = u64::try_from(act.natural("facet.mincount", 1, i64::MAX)?).unwrap_or_default();
        let facet_limit = facet_limit(act)?;
        let facets = if act.flag("facet", true)? { facet_fields(&act.dict)? } else { Vec::new() };
        let (drafts, private) = (act.flag("include_drafts", false)?, act.flag("include_private", false)?);
        let deleted = act.flag("include_deleted", false)?;
        act.flag("use_default_schema", false)?;
        demand_known(&act.dict)?;
        demand_no_local_parameters(&act.dict)?;
        let (sort, keys) = sort(act)?;
        let mut filters = texts(act.dict.get("fq"));
        filters.extend(texts(act.dict.get("fq_list")));
        if filters.len() > FILTERS_MAX {
            return Err(Refusal::invalid("fq_list", format!("At most {FILTERS_MAX} filters")));
        }
        if !filters.iter().any(|filter| filter.contains("+state")) {
            let states = [Some("active"), drafts.then_some("draft"), deleted.then_some("deleted")];
            filters.push(format!("state:({})", states.into_iter().flatten().collect::<Vec<_>>().join(" OR ")));
        }
        if !private {
            filters.push("capacity:public".to_owned());
        }
        let fields = texts(act.dict.get("fl"))
            .iter()
            .flat_map(|text| text.split([',', ' ']))
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect::<Vec<_>>();
        Ok(Self {
            text: searched(act)?,
            filters,
            sort,
            keys,
            start,
            rows,
            facets,
            facet_limit,
            facet_minimum,
            fields: Some(fields).filter(|fields| !fields.is_empty()),
        })
    }
}

/// The text and how it is read (ckan.md 5.3).
fn searched(act: &Act) -> Outcome<Text> {
    let text = act.text("q").unwrap_or_default();
    let given = |name: &str| act.text(name).unwrap_or_default();
    if ["", "\"\"", "''", "*:*"].contains(&text.trim()) {
        return Ok(Text::All);
    }
    let is_words = match given("defType").as_str() {
        "edismax" | "dismax" => true,
        "" => !text.contains(':'),
        _ => false,
    };
    if !is_words {
        let default = Some(given("df")).filter(|name| !name.is_empty()).unwrap_or_else(|| "text".to_owned());
        return Ok(Text::Lucene { text, default });
    }
    let tie = given("tie");
    let number = tie.parse::<f32>().ok().filter(|tie| tie.is_finite());
    if !tie.is_empty() && number.is_none() {
        return Err(Refusal::Search(python_quoted("tie is no number")));
    }
    Ok(Text::Words { text, fields: given("qf"), tie: number, minimum: given("mm") })
}

fn sort(act: &Act) -> Outcome<(String, Vec<(String, bool)>)> {
    let given = act.text("sort").filter(|sort| !sort.trim().is_empty() && sort != "rank");
    let sort = given.unwrap_or_else(|| act.site.default_package_sort.clone());
    match parse_sort(&sort) {
        Some(keys) => Ok((sort, keys)),
        None => Err(Refusal::SearchQuery(python_quoted("Invalid \"sort\" parameter"))),
    }
}

fn facet_limit(act: &Act) -> Outcome<Option<usize>> {
    let given = match act.dict.get("facet.limit") {
        None | Some(Value::Null) => Some(act.site.facets_limit),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    let limit = given.ok_or_else(|| Refusal::invalid("facet.limit", "Invalid integer"))?;
    Ok(usize::try_from(limit).ok()) // a negative one means all
}

/// `facet.field`: a list, or its JSON.
fn facet_fields(dict: &Dict) -> Outcome<Vec<String>> {
    let wrong = |text: String| Refusal::invalid("facet.field", text);
    let list = match dict.get("facet.field") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::String(text)) if text.is_empty() => return Ok(Vec::new()),
        Some(Value::String(text)) => serde_json::from_str(text).map_err(|_| wrong("Could not parse as valid JSON".to_owned()))?,
        Some(value) => value.clone(),
    };
    let Value::Array(list) = list else { return Err(wrong("Not a list".to_owned())) };
    let mut names = Vec::new();
    for item in list {
        let Value::String(name) = item else { return Err(wrong(format!("Not a string: {item}"))) };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > FACETS_MAX { Err(wrong(format!("At most {FACETS_MAX} facets"))) } else { Ok(names) }
}

fn demand_known(dict: &Dict) -> Outcome<()> {
    let unknown: BTreeSet<&str> =
        dict.keys().map(String::as_str).filter(|name| !KNOWN.contains(name) && !name.starts_with("ext_")).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let list = unknown.iter().map(|name| python_quoted(name)).collect::<Vec<_>>().join(", ");
    Err(Refusal::SearchQuery(python_quoted(&format!("Invalid search parameters: [{list}]"))))
}

/// Solr's local parameters could reach around every filter; CKAN refuses them.
fn demand_no_local_parameters(dict: &Dict) -> Outcome<()> {
    let is_local = |value: &Value| value.as_str().is_some_and(|text| text.trim_start().starts_with("{!"));
    for (name, value) in dict {
        if is_local(value) || value.as_array().is_some_and(|list| list.iter().any(is_local)) {
            return Err(Refusal::Search(python_quoted(&format!("Local parameters are not supported in param '{name}'."))));
        }
    }
    Ok(())
}

/// `facets` and `search_facets`.
async fn shown_facets(act: &mut Act, wanted: &Wanted, facets: &[Facet]) -> Outcome<(Dict, Dict)> {
    let (mut plain, mut shown) = (Dict::new(), Dict::new());
    let mut kept: Vec<(&String, Vec<(&String, u64)>)> = Vec::new();
    for (name, counts) in wanted.facets.iter().zip(facets) {
        let mut values: Vec<(&String, u64)> =
            counts.iter().map(|(value, count)| (value, *count)).filter(|(_, count)| *count >= wanted.facet_minimum).collect();
        values.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
        values.truncate(wanted.facet_limit.unwrap_or(usize::MAX));
        kept.push((name, values));
    }
    let titles = titles(act, &kept).await?;
    for (name, values) in kept {
        let display = |value: &String| match name.as_str() {
            "groups" | "organization" => titles.get(value).cloned().unwrap_or_else(|| value.clone()),
            "license_id" => license::title(value).map_or_else(|| value.clone(), str::to_owned),
            _ => value.clone(),
        };
        let mut items: Vec<(String, &String, u64)> = values.iter().map(|(value, count)| (display(value), *value, *count)).collect();
        items.sort_by(|one, other| other.0.cmp(&one.0).then(other.1.cmp(one.1)));
        let items: Vec<Value> =
            items.into_iter().map(|(display, value, count)| json!({"count": count, "display_name": display, "name": value})).collect();
        plain.insert(name.clone(), values.into_iter().map(|(value, count)| (value.clone(), Value::from(count))).collect::<Dict>().into());
        shown.insert(name.clone(), json!({"items": items, "title": name}));
    }
    Ok((plain, shown))
}

async fn titles(act: &mut Act, facets: &[(&String, Vec<(&String, u64)>)]) -> Outcome<HashMap<String, String>> {
    let groups = facets.iter().filter(|(name, _)| ["groups", "organization"].contains(&name.as_str()));
    let names: Vec<String> = groups.flat_map(|(_, values)| values.iter().map(|(value, _)| (*value).clone())).collect();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = store::titles(&mut act.source, names).await?;
    Ok(rows.into_iter().filter(|(_, title)| !title.is_empty()).collect())
}

/// A text as Python prints it.
pub(super) fn python_quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::from(quote);
    for letter in text.chars() {
        match letter {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            letter if letter == quote => quoted.extend(['\\', letter]),
            letter => quoted.push(letter),
        }
    }
    quoted.push(quote);
    quoted
}

/// A member of a stored dictionary.
pub(super) fn word(dict: &Dict, name: &str) -> String {
    dict.get(name).and_then(text_of).unwrap_or_default()
}
