//! Codes: scripts that steps run (dhub.md section 10).

use std::collections::{BTreeSet, HashMap};

use madang_kit::{
    Code as ErrorCode, Context, Error, Id, Result,
    audit::{self, Record},
    check,
    idempotency::{self, Claim},
    time,
};
use madang_proto::pipeline::v1::{
    Code, CodeKind, CreateCodeRequest, Definition, GetRequest, GetScriptRequest, ListCodesResponse, ListRequest, ListScriptsRequest,
    ListScriptsResponse, PutScriptRequest, Script, UpdateCodeRequest, step::Work as WireWork,
};
use prost::Message;
use serde_json::{Map, Value, json};

use crate::{
    Pipelines,
    plan::{Plan, Step, Work, parameter::Used},
    store::{
        script,
        thing::{self as store, Kind, Thing},
    },
    thing,
};

/// Bytes of a script.
const MAX_SCRIPT: usize = 1 << 20;

/// Makes a code without a script.
pub(crate) async fn create(pipelines: &Pipelines, context: &Context, request: CreateCodeRequest) -> Result<Code> {
    if request.kind() == CodeKind::Unspecified {
        return Err(Error::invalid("type", "missing", "type must be python or sql"));
    }
    let body = Code { kind: request.kind, options: thing::object("options", &request.options)?, ..Code::default() };
    let new = thing::new(pipelines, context, request.card, body.encode_to_vec()).await?;
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "CreateCode").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    if request.unique_title {
        thing::demand_free_title(&mut tx, Kind::Code, &new.title).await?;
    }
    store::insert(&mut tx, Kind::Code, &new).await?;
    let answer = wire(&new)?;
    thing::keep(pipelines, context, &mut tx, &new, answer.encode_to_vec(), "code.create").await?;
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// A code as it is, or as it was at a revision.
pub(crate) async fn get(pipelines: &Pipelines, context: &Context, request: GetRequest) -> Result<Code> {
    let found = readable(pipelines, context, &request.id).await?;
    match request.revision {
        Some(revision) => thing::version(pipelines, &found, revision).await,
        None => wire(&found),
    }
}

/// Changes what is given.
pub(crate) async fn update(pipelines: &Pipelines, context: &Context, request: UpdateCodeRequest) -> Result<Code> {
    let found = writable(pipelines, context, &request.id).await?;
    let mut body = Code::decode(found.body.as_slice()).map_err(Error::internal)?;
    if request.kind() != CodeKind::Unspecified && request.kind != body.kind {
        if script::find(&pipelines.db, &found.id, None).await?.is_some() {
            return Err(Error::new(ErrorCode::Conflict, "the type can't change once there is a script"));
        }
        body.kind = request.kind;
    }
    if let Some(options) = request.options {
        body.options = thing::object("options", &options)?;
    }
    let mut changed = thing::changed(found, request.card, pipelines.clock.now())?;
    changed.body = body.encode_to_vec();
    let mut tx = pipelines.db.begin().await?;
    if !store::update(&mut tx, &changed).await? {
        return Err(thing::changed_meanwhile());
    }
    let answer = wire(&changed)?;
    thing::keep(pipelines, context, &mut tx, &changed, answer.encode_to_vec(), "code.update").await?;
    tx.commit().await?;
    Ok(answer)
}

/// The codes that the caller may see.
pub(crate) async fn list(pipelines: &Pipelines, context: &Context, request: ListRequest) -> Result<ListCodesResponse> {
    let (found, next) = thing::list(pipelines, context, Kind::Code, request).await?;
    Ok(ListCodesResponse { codes: found.iter().map(wire).collect::<Result<_>>()?, next })
}

/// Adds a version of a script. SQL that can't be read is refused; Python is read when it runs.
pub(crate) async fn put_script(pipelines: &Pipelines, context: &Context, request: PutScriptRequest) -> Result<Script> {
    let found = writable(pipelines, context, &request.code_id).await?;
    let text = request.text;
    if text.trim().is_empty() || text.len() > MAX_SCRIPT || text.contains('\0') {
        let rule = format!("a script must not be empty, must have at most {MAX_SCRIPT} bytes and no NUL");
        return Err(Error::invalid("file", "length", rule));
    }
    if kind(&found)? == CodeKind::Sql {
        pipelines.lake.tables_in(&text).map_err(|error| Error::invalid("file", "sql", error.to_string()))?;
    }
    let now = pipelines.clock.now();
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "PutScript").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    if !store::lock(&mut tx, &found.id).await? {
        return Err(Error::not_found("code", &found.title));
    }
    let version = script::add(&mut tx, &found.id, now, &text).await?;
    let record = Record { action: "code.put_script", thing: found.id, detail: json!({"version": version}) };
    audit::write(&mut tx, &pipelines.clock, context, record).await?;
    let answer = Script { version, at: Some(time::wire(now)), text: String::new() };
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// A version of a script, by default the newest.
pub(crate) async fn get_script(pipelines: &Pipelines, context: &Context, request: GetScriptRequest) -> Result<Script> {
    let found = readable(pipelines, context, &request.code_id).await?;
    let script = script::find(&pipelines.db, &found.id, request.version).await?;
    script.map(wire_script).ok_or_else(|| Error::new(ErrorCode::NotFound, "the code has no such script"))
}

/// The versions of a script, oldest first.
pub(crate) async fn list_scripts(pipelines: &Pipelines, context: &Context, request: ListScriptsRequest) -> Result<ListScriptsResponse> {
    let found = readable(pipelines, context, &request.code_id).await?;
    let scripts = script::list(&pipelines.db, &found.id).await?;
    Ok(ListScriptsResponse { scripts: scripts.into_iter().map(wire_script).collect() })
}

/// Refuses a plan with codes that are absent or closed to the caller, and options that nobody would read.
pub(crate) async fn check(pipelines: &Pipelines, context: &Context, plan: &Plan) -> Result<()> {
    for code in plan.codes() {
        let found = thing::readable(pipelines, context, Kind::Code, code).await?;
        let is_sql = kind(&found)? == CodeKind::Sql;
        for step in plan.steps.iter().filter(|_| is_sql) {
            match &step.work {
                Work::Script { code: used, options, .. } if *used == code => no_options(step, options)?,
                _ => {}
            }
        }
    }
    Ok(())
}

fn no_options(step: &Step, options: &Map<String, Value>) -> Result<()> {
    match options.keys().next() {
        Some(name) => {
            Err(Error::invalid(format!("steps.{}.options.{name}", step.position), "unknown", format!("SQL reads no option '{name}'")))
        }
        None => Ok(()),
    }
}

/// Writes into a definition which version of each script its steps run, and tells what parameters all of them use.
pub(crate) async fn freeze(pipelines: &Pipelines, context: &Context, definition: &mut Definition, plan: &Plan) -> Result<Used> {
    check(pipelines, context, plan).await?;
    let found = script::newest(&pipelines.db, &plan.codes()).await?;
    let newest: HashMap<Id, script::Found> =
        found.into_iter().map(|found| Ok((found.code_id.parse().map_err(Error::internal)?, found))).collect::<Result<_>>()?;
    let mut used = Used::default();
    for step in &plan.steps {
        match &step.work {
            Work::Sql { query } => used.names.extend(names_in(pipelines, query)),
            Work::Script { code, version, .. } => {
                let script = script_of(pipelines, &step.name, *code, *version, &newest).await?;
                if kind_of(&script.body)? == CodeKind::Python {
                    used.any = true
                } else {
                    used.names.extend(names_in(pipelines, &script.text))
                }
                if let Some(WireWork::Code(code)) = definition.steps.get_mut(step.position).and_then(|step| step.work.as_mut()) {
                    code.version = Some(script.version);
                }
            }
            _ => {}
        }
    }
    Ok(used)
}

async fn script_of(
    pipelines: &Pipelines,
    step: &str,
    code: Id,
    version: Option<i64>,
    newest: &HashMap<Id, script::Found>,
) -> Result<script::Found> {
    let absent = || {
        let which = version.map_or_else(String::new, |version| format!(" v{version}"));
        Error::new(ErrorCode::Conflict, format!("step '{step}': the code '{}' has no script{which}", code.prefixed("code")))
    };
    let last = newest.get(&code).ok_or_else(absent)?;
    match version.filter(|version| *version != last.version) {
        None => Ok(last.clone()),
        Some(version) => script::of_versions(&pipelines.db, &[code], &[version]).await?.pop().ok_or_else(absent),
    }
}

/// The parameters that a statement uses; one that can't be read fails its step.
fn names_in(pipelines: &Pipelines, query: &str) -> BTreeSet<String> {
    pipelines.lake.values_in(query).unwrap_or_default().into_iter().collect()
}

fn kind(thing: &Thing) -> Result<CodeKind> {
    kind_of(&thing.body)
}

fn kind_of(body: &[u8]) -> Result<CodeKind> {
    Ok(Code::decode(body).map_err(Error::internal)?.kind())
}

async fn readable(pipelines: &Pipelines, context: &Context, id: &str) -> Result<Thing> {
    thing::readable(pipelines, context, Kind::Code, check::id("id", id)?).await
}

async fn writable(pipelines: &Pipelines, context: &Context, id: &str) -> Result<Thing> {
    thing::writable(pipelines, context, Kind::Code, check::id("id", id)?).await
}

fn wire(found: &Thing) -> Result<Code> {
    let body = Code::decode(found.body.as_slice()).map_err(Error::internal)?;
    Ok(Code {
        id: found.id.clone(),
        card: Some(thing::card(found)),
        created_at: Some(time::wire(found.created_at)),
        updated_at: Some(time::wire(found.modified_at)),
        revision: found.revision,
        ..body
    })
}

fn wire_script(script: script::Script) -> Script {
    Script { version: script.version, at: Some(time::wire(script.at)), text: script.text }
}
