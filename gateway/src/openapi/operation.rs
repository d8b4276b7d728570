//! One operation, described in a few words; what all operations have in common is said here once.

use serde_json::{Map, Value, json};

use super::schema;

/// Statuses with their meaning. Each dialect of D.Hub's family answers them in the same shape.
const REFUSALS: [(u16, &str); 13] = [
    (400, "The statement is wrong."),
    (401, "No valid credential came with the request."),
    (403, "The caller may not do this."),
    (404, "There is no such thing, or the caller may not see it."),
    (405, "The path has no such method."),
    (408, "A limit on time was reached."),
    (409, "The thing's state or its name forbids this."),
    (413, "The body is larger than it may be."),
    (422, "A field breaks a rule; each is named."),
    (429, "Too many requests or attempts; try later."),
    (500, "A fault of the hub."),
    (501, "This part of the API is not served here."),
    (503, "A part that is needed is away; try later."),
];

/// The same for Data Flow, whose gateway and service have a shape each.
const FLOW_REFUSALS: [(u16, &str); 7] = [
    (400, "A parameter, the state of the thing, or what it links to forbids this; errorType says which."),
    (401, "No valid signature came with the request."),
    (404, "There is no such thing in the caller's space."),
    (413, "The body is larger than it may be."),
    (429, "A usage plan is used up, or too many executions wait; try later."),
    (500, "A fault of the hub."),
    (503, "A part that is needed is away; try later."),
];

/// Refusals of every operation that needs a credential.
const OF_ALL: [u16; 5] = [401, 404, 422, 429, 503];
/// Further ones of every operation that writes.
const OF_WRITES: [u16; 4] = [403, 408, 409, 413];

/// Refusals of every operation of Data Flow.
const OF_FLOW: [u16; 4] = [400, 401, 404, 503];

/// The same for CKAN.
const CKAN_REFUSALS: [(u16, &str); 10] = [
    (400, "There is no dictionary, or it is nested wrongly."),
    (401, "The signature does not hold."),
    (403, "The caller may not do this."),
    (404, "There is no such thing."),
    (408, "A limit on time was reached."),
    (409, "Fields break rules; each is named."),
    (413, "The body is larger than it may be."),
    (429, "Too many requests; try later."),
    (500, "A fault of the hub."),
    (503, "A part that is needed is away; try later."),
];

/// The same for the Spec Store, whose refusals say what is wrong and no more.
const SPEC_REFUSALS: [(u16, &str); 11] = [
    (400, "A parameter or the body is wrong."),
    (401, "No token that holds came with the request."),
    (403, "The token is not the owner's, or a limit of storage is reached."),
    (404, "There is no such thing, or the caller may not see it."),
    (405, "The path has no such method."),
    (408, "A limit on time was reached."),
    (413, "The body is larger than it may be."),
    (429, "Too many requests; try later."),
    (500, "A fault of the hub."),
    (501, "This part of the API is not served here."),
    (503, "A part that is needed is away; try later."),
];

/// Refusals of every operation of the Spec Store.
const OF_SPECS: [u16; 6] = [400, 401, 403, 404, 429, 503];

/// The same for Dataspace.
const DATASPACE_REFUSALS: [(u16, &str); 13] = [
    (400, "A parameter or a field breaks a rule; the first one is named."),
    (401, "No valid credential came with the request."),
    (402, "The space's plan has no access to the API."),
    (403, "It belongs to another space, or the caller's roles do not allow it."),
    (404, "There is no such thing."),
    (408, "A limit on time was reached."),
    (409, "The thing's state or its name forbids this."),
    (410, "The survey takes no answers any more."),
    (413, "The body is larger than it may be."),
    (415, "The body is not JSON."),
    (429, "Too many requests; try later."),
    (500, "A fault of the hub."),
    (503, "A part that is needed is away; try later."),
];

/// The same for respondents, to whom each is a page.
const PAGE_REFUSALS: [(u16, &str); 9] = [
    (400, "The sheet can't be opened: it is too old, or of another link."),
    (403, "The link was changed, or the survey is paused."),
    (404, "There is no survey behind the link, or it has not started."),
    (408, "The form took too long to arrive."),
    (409, "This uid has answered already."),
    (410, "The survey takes no answers any more."),
    (413, "The form is larger than it may be."),
    (429, "Too many requests; try later."),
    (503, "A part that is needed is away; try later."),
];

/// An operation in the making.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: String,
    group: &'static str,
    summary: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: Vec<(u16, Value)>,
    refusals: Vec<u16>,
    security: Vec<Value>,
    /// What the names of its refusals begin with.
    family: char,
    /// Paths that the answer's id leads to, and the key that it stands under.
    leads_to: Option<(&'static [&'static str], &'static str)>,
    /// A member of ours beside OpenAPI's.
    extension: Option<(&'static str, &'static str)>,
}

impl Operation {
    /// One that D.Hub's credentials open. Names in the path become parameters.
    pub(super) fn new(group: &'static str, method: &'static str, path: &str, summary: &'static str) -> Self {
        let mut refusals = OF_ALL.to_vec();
        if method != "get" {
            refusals.extend(OF_WRITES);
        }
        let named = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        let parameter = |name: &str| json!({"name": name, "in": "path", "required": true, "schema": schema::text()});
        Self {
            method,
            path: path.to_owned(),
            group,
            summary,
            parameters: named.map(parameter).collect(),
            body: None,
            answers: Vec::new(),
            refusals,
            security: vec![json!({"bearer": []}), signature()],
            family: 'R',
            leads_to: None,
            extension: None,
        }
    }

    /// One of Data Flow, which a signature opens.
    pub(super) fn flow(group: &'static str, method: &'static str, path: &str, summary: &'static str) -> Self {
        let mut refusals = OF_FLOW.to_vec();
        if method != "get" {
            refusals.extend([413, 429]);
        }
        Self { refusals, security: vec![signature()], family: 'F', ..Self::new(group, method, path, summary) }
    }

    /// One of CKAN, which a token or a signature opens, and which lets callers in that have neither.
    pub(super) fn ckan(group: &'static str, method: &'static str, path: &str, summary: &'static str) -> Self {
        let mut refusals = vec![400, 401, 403, 404, 409, 429, 503];
        if method != "get" {
            refusals.extend([408, 413]);
        }
        let security = vec![json!({}), json!({"ckanToken": []}), signature()];
        Self { refusals, security, family: 'K', ..Self::new(group, method, path, summary) }
    }

    /// Refusals of files are plain words, unless a table is refused.
    pub(super) fn refuses_in_words(self) -> Self {
        Self { family: 'W', ..self }
    }

    /// One of the Spec Store, which a token or a signature opens.
    pub(super) fn spec_store(group: &'static str, method: &'static str, path: &str, summary: &'static str) -> Self {
        let mut refusals = OF_SPECS.to_vec();
        if method != "get" {
            refusals.extend([408, 413]);
        }
        let security = vec![json!({"authToken": []}), signature()];
        Self { refusals, security, family: 'S', ..Self::new(group, method, path, summary) }
    }

    /// A success without a body.
    pub(super) fn gives_nothing(self, status: u16) -> Self {
        self.also(status, "Done.")
    }

    /// One of Dataspace, which a person's token or a signature opens.
    pub(super) fn dataspace(group: &'static str, method: &'static str, path: &str, summary: &'static str) -> Self {
        let mut refusals = vec![400, 401, 402, 403, 404, 410, 429, 503];
        if method != "get" {
            refusals.extend([408, 409, 413, 415]);
        }
        Self { refusals, family: 'D', ..Self::new(group, method, path, summary) }
    }

    /// A page for respondents.
    pub(super) fn page(method: &'static str, path: &str, summary: &'static str) -> Self {
        let mut refusals = vec![400, 403, 404, 410, 429, 503];
        if method != "get" {
            refusals.extend([408, 409, 413]);
        }
        let page = Self { refusals, family: 'P', ..Self::new("Dataspace respondents", method, path, summary) };
        page.open().gives_types(&[("text/html", schema::text())])
    }

    /// A space's key opens it in place of a token.
    pub(super) fn with_key(mut self) -> Self {
        self.security = vec![json!({"basic": []}), signature()];
        self
    }

    /// A member of ours beside OpenAPI's.
    pub(super) fn extension(mut self, name: &'static str, value: &'static str) -> Self {
        self.extension = Some((name, value));
        self
    }

    /// It needs no credential.
    pub(super) fn open(mut self) -> Self {
        self.security.clear();
        self
    }

    /// All five schemes open it.
    pub(super) fn any_scheme(mut self) -> Self {
        self.security.extend([json!({"basic": []}), json!({"authToken": []})]);
        self
    }

    /// A parameter of the query.
    pub(super) fn query(mut self, name: &str, kind: Value, about: &str) -> Self {
        let mut parameter = json!({"name": name, "in": "query", "description": about});
        parameter["schema"] = kind;
        self.parameters.push(parameter);
        self
    }

    /// A JSON body of this schema.
    pub(super) fn json(mut self, name: &str) -> Self {
        self.body = Some(json!({"content": {"application/json": {"schema": schema::named(name)}}}));
        self
    }

    /// A JSON body of a schema of its own.
    pub(super) fn json_of(mut self, schema: Value) -> Self {
        self.body = Some(json!({"content": {"application/json": {}}}));
        if let Some(body) = &mut self.body {
            body["content"]["application/json"]["schema"] = schema;
        }
        self
    }

    /// A body of other types.
    pub(super) fn body(mut self, types: &[(&str, Value)]) -> Self {
        self.body = Some(json!({"required": true, "content": contents(types)}));
        self
    }

    /// The answer of a success, as JSON.
    pub(super) fn gives(mut self, kind: Value) -> Self {
        let mut answer = json!({"description": "Done."});
        answer["content"]["application/json"]["schema"] = kind;
        self.answers.push((200, answer));
        self
    }

    /// The same under another status than 200.
    pub(super) fn gives_as(mut self, status: u16, kind: Value) -> Self {
        self = self.gives(kind);
        if let Some(answer) = self.answers.last_mut() {
            answer.0 = status;
        }
        self
    }

    /// The answer of a success in one of several types.
    pub(super) fn gives_types(mut self, types: &[(&str, Value)]) -> Self {
        self.answers.push((200, json!({"description": "Done.", "content": contents(types)})));
        self
    }

    /// A further answer, without a body of its own.
    pub(super) fn also(mut self, status: u16, about: &str) -> Self {
        self.answers.push((status, json!({"description": about})));
        self
    }

    /// The id in its answer is the one of these paths and of those below them.
    pub(super) fn leads_to(mut self, paths: &'static [&'static str], key: &'static str) -> Self {
        self.leads_to = Some((paths, key));
        self
    }

    /// This status is all that an authenticated caller gets.
    pub(super) fn only(mut self, status: u16) -> Self {
        self.refusals = vec![401, 404, 429, 503, status];
        self
    }

    /// Another refusal.
    pub(super) fn may(mut self, status: u16) -> Self {
        self.refusals.push(status);
        self
    }

    /// The links of its answer to other operations.
    pub(super) fn links(&self, all: &[Self]) -> Map<String, Value> {
        let Some((paths, key)) = self.leads_to else { return Map::new() };
        let reached =
            all.iter().filter(|other| paths.iter().any(|path| other.path == *path || other.path.starts_with(&format!("{path}/"))));
        let link = |other: &Self| json!({"operationId": other.id(), "parameters": {"id": format!("$response.body#/{key}")}});
        reached.map(|other| (other.id(), link(other))).collect()
    }

    /// The operation as OpenAPI has it.
    pub(super) fn describe(&self, all: &[Self]) -> Value {
        let mut answers: Map<String, Value> = self.answers.iter().map(|(status, answer)| (status.to_string(), answer.clone())).collect();
        for status in &self.refusals {
            answers.entry(status.to_string()).or_insert_with(|| json!({"$ref": format!("#/components/responses/{}{status}", self.family)}));
        }
        let success = self.answers.first().map(|(status, _)| status.to_string()).unwrap_or_default();
        if let Some(answer) = answers.get_mut(&success) {
            let links = self.links(all);
            if !links.is_empty() {
                answer["links"] = links.into();
            }
        }
        let mut operation = json!({
            "operationId": self.id(), "tags": [self.group], "summary": self.summary, "parameters": self.parameters,
            "responses": answers, "security": self.security,
        });
        if let Some((name, value)) = self.extension {
            operation[name] = value.into();
        }
        if let Some(body) = &self.body {
            operation["requestBody"] = body.clone();
        }
        operation
    }

    /// Method and path as one word; a slash at the end is another route, so it counts.
    fn id(&self) -> String {
        let path = self.path.replace(['{', '}'], "").replace('/', "_");
        format!("{}{path}", self.method)
    }

    /// The answers of every refusal.
    pub(super) fn refusals() -> Map<String, Value> {
        let shape = |about: &str| json!({"description": about, "content": {"application/json": {"schema": schema::named("Refusal")}}});
        let flow = |about: &str| {
            let types = [("application/problem+json", schema::named("FlowProblem")), ("application/json", schema::named("FlowRefusal"))];
            json!({"description": about, "content": contents(&types)})
        };
        let ckan = |about: &str| json!({"description": about, "content": {"application/json": {"schema": schema::named("CkanRefusal")}}});
        let spec = |about: &str| json!({"description": about, "content": {"application/json": {"schema": schema::named("SpecRefusal")}}});
        let spec = SPEC_REFUSALS.iter().map(|(status, about)| (format!("S{status}"), spec(about)));
        let space =
            |about: &str| json!({"description": about, "content": {"application/json": {"schema": schema::named("DataspaceRefusal")}}});
        let space = DATASPACE_REFUSALS.iter().map(|(status, about)| (format!("D{status}"), space(about)));
        let page = |about: &str| json!({"description": about, "content": contents(&[("text/html", schema::text())])});
        let pages = PAGE_REFUSALS.iter().map(|(status, about)| (format!("P{status}"), page(about)));
        let ckan = CKAN_REFUSALS.iter().map(|(status, about)| (format!("K{status}"), ckan(about)));
        let words = |about: &str| {
            let types = [("text/plain", schema::text()), ("application/json", schema::named("CkanRefusal"))];
            json!({"description": about, "content": contents(&types)})
        };
        let words = CKAN_REFUSALS.iter().map(|(status, about)| (format!("W{status}"), words(about)));
        let ours = REFUSALS.iter().map(|(status, about)| (format!("R{status}"), shape(about)));
        let flow = FLOW_REFUSALS.iter().map(|(status, about)| (format!("F{status}"), flow(about)));
        ours.chain(flow).chain(ckan).chain(words).chain(spec).chain(space).chain(pages).collect()
    }
}

fn signature() -> Value {
    json!({"ncpTimestamp": [], "ncpAccessKey": [], "ncpSignature": []})
}

fn contents(types: &[(&str, Value)]) -> Map<String, Value> {
    types.iter().map(|(media, kind)| ((*media).to_owned(), json!({"schema": kind}))).collect()
}
