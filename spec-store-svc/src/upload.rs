//! Uploads (spec-store.md 1.1): a spec that holds becomes a revision with its pipelines, and a command for whoever works on it, in one
//! transaction. Runs by schedule and by hand begin here too.

use chrono::{DateTime, Utc};
use madang_kit::{
    Code, Context, Error, Principal, Result, Tx,
    audit::{self, Record},
    idempotency::{self, Claim},
    time, timer,
};
use madang_proto::{
    pipeline::v1::{FlowLimits, StartFlowRequest},
    spec_store::v1::{Limits, RerunRequest, UploadRequest, UploadResponse},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    SpecStore,
    spec::{self, Name, Refused, Spec},
    state::State,
    store::{
        command,
        dataset::{self, Dataset},
        pipeline,
        revision::{self, Revision, Which},
    },
};

/// What a run by itself needs of the upload before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// On whose behalf.
    pub(crate) principal: Principal,
    /// Of the sources: bytes, rows, seconds; 0 = the hub's own.
    max_source_bytes: u64,
    max_rows: u64,
    max_run_seconds: u32,
    /// Where files of ours are.
    files_url: String,
}

impl Origin {
    fn new(context: &Context, limits: &Limits, files_url: String) -> Self {
        let Limits { max_source_bytes, max_rows, max_run_seconds, .. } = *limits;
        Self { principal: context.principal.clone(), max_source_bytes, max_rows, max_run_seconds, files_url }
    }

    fn limits(&self) -> FlowLimits {
        FlowLimits { max_source_bytes: self.max_source_bytes, max_rows: self.max_rows, max_run_seconds: self.max_run_seconds }
    }
}

/// A revision that is wanted: its spec as it came, and what was read of it.
pub(crate) struct Wanted {
    contents: Map<String, Value>,
    spec: Spec,
    pub(crate) origin: Origin,
    forced: bool,
    trigger: &'static str,
}

impl Wanted {
    /// A run of a stored spec.
    pub(crate) fn again(contents: &str, origin: Origin, forced: bool, trigger: &'static str) -> Result<Result<Self, Refused>> {
        let Ok(Value::Object(contents)) = serde_json::from_str(contents) else { return Err(Error::internal("a stored spec is no object")) };
        let read = Name::read(&contents).and_then(|name| Spec::read(name, &contents, &origin.files_url));
        Ok(read.map(|spec| Self { contents, spec, origin, forced, trigger }))
    }
}

/// Keeps a spec as a new revision.
pub(crate) async fn upload(store: &SpecStore, context: &Context, request: UploadRequest) -> Result<UploadResponse> {
    let Ok(Value::Object(contents)) = serde_json::from_str(&request.spec) else {
        return Err(Error::invalid("spec", "json_type", "spec must be a JSON object"));
    };
    let name = match Name::read(&contents) {
        Ok(name) => name,
        Err(refused) => return Ok(refusal(None, &refused)),
    };
    demand_owner(&name.owner_id, &request.caller_owner_id)?;
    let limits = request.limits.unwrap_or_default();
    let spec = Spec::read(name.clone(), &contents, &request.files_url);
    let origin = Origin::new(context, &limits, request.files_url);

    let mut tx = store.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &store.clock, context, "Upload").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    let now = store.clock.now();
    dataset::lock_owner(&mut tx, &name.owner_id, now).await?;
    let checked = match within_limit(&mut tx, &name, &limits).await? {
        Ok(()) => spec,
        Err(refused) => Err(refused),
    };
    let wanted = match checked {
        Ok(spec) => Wanted { contents, spec, origin, forced: false, trigger: "upload" },
        Err(refused) => return Ok(refusal(Some(name.dataset_id()), &refused)),
    };
    let answer = add(store, &mut tx, context, wanted, now).await?;
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    store.commands.ring();
    store.scheduled.ring();
    Ok(answer)
}

/// A new revision of a spec that is there.
pub(crate) async fn rerun(store: &SpecStore, context: &Context, request: RerunRequest) -> Result<UploadResponse> {
    demand_owner(&request.owner_id, &request.caller_owner_id)?;
    let id = format!("{}/{}", request.owner_id, request.dataset);
    let unknown = || Error::not_found("dataset", &id);
    let older = match request.from {
        Some(number) => {
            let found = revision::find(&store.db, &id, Which::Number(number.into())).await?;
            Some(found.ok_or_else(|| Error::not_found("revision", format!("{id}/{number}")))?.spec)
        }
        None => None,
    };
    let origin = Origin::new(context, &request.limits.unwrap_or_default(), request.files_url);
    let mut tx = store.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &store.clock, context, "Rerun").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    let now = store.clock.now();
    let newest = dataset::lock(&mut tx, &id, now).await?.ok_or_else(unknown)?.spec;
    let wanted = match Wanted::again(&older.unwrap_or(newest), origin, request.forced, "rerun")? {
        Ok(wanted) => wanted,
        Err(refused) => return Ok(refusal(Some(id), &refused)),
    };
    let answer = add(store, &mut tx, context, wanted, now).await?;
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    store.commands.ring();
    store.scheduled.ring();
    Ok(answer)
}

/// Refuses everybody but the owner.
pub(crate) fn demand_owner(owner_id: &str, caller: &str) -> Result<()> {
    if !caller.is_empty() && owner_id == caller { Ok(()) } else { Err(Error::new(Code::Denied, "only the owner may do this")) }
}

fn refusal(dataset_id: Option<String>, refused: &Refused) -> UploadResponse {
    UploadResponse { success: false, dataset_id, flow_id: None, errors: vec![refused.text()] }
}

/// The limit counts datasets: a new revision of one that is there passes.
async fn within_limit(tx: &mut Tx, name: &Name, limits: &Limits) -> Result<Result<(), Refused>> {
    let id = name.dataset_id();
    if dataset::exists(tx, &id).await? {
        return Ok(Ok(()));
    }
    let others = u64::try_from(dataset::others(tx, &name.owner_id, &id).await?).unwrap_or(u64::MAX);
    Ok(if others < limits.max_dataset_num { Ok(()) } else { Err(Refused::Limit(limits.max_dataset_num)) })
}

/// Adds a revision, inside a transaction that has locked its owner.
pub(crate) async fn add(store: &SpecStore, tx: &mut Tx, context: &Context, wanted: Wanted, now: DateTime<Utc>) -> Result<UploadResponse> {
    let Wanted { mut contents, spec, origin, forced, trigger } = wanted;
    if let Some(Value::Object(meta)) = contents.get_mut("meta") {
        meta.insert("update_time".to_owned(), iso(now).into());
    }
    let contents = Value::Object(contents).to_string();
    let id = spec.name.dataset_id();
    let row = Dataset {
        id: id.clone(),
        owner_id: spec.name.owner_id.clone(),
        name: spec.name.dataset.clone(),
        findability: spec::name_of(spec.findability).to_owned(),
        certified: false,
        spec: contents.clone(),
        origin: serde_json::to_string(&origin).map_err(Error::internal)?,
        created_at: now,
        updated_at: now,
    };
    let (number, created_at) = dataset::put(tx, &row).await?;
    let flow_id = format!("{id}/{number}");
    let external = store.is_external();
    let artifacts = spec.package.artifacts(&flow_id);
    let new = Revision {
        id: flow_id.clone(),
        dataset_id: id.clone(),
        number,
        state: State::Pending.name().to_owned(),
        trigger_kind: trigger.to_owned(),
        external,
        findability: row.findability,
        spec: contents,
        errors: "[]".to_owned(),
        stats: None,
        logs: None,
        created_at: now,
        updated_at: now,
        finished_at: None,
    };
    revision::insert(tx, &new).await?;
    pipeline::insert(tx, &flow_id, &artifacts, now).await?;
    if trigger != "schedule" {
        keep_timer(tx, &id, &spec, now).await?;
    }
    if !external {
        let request = StartFlowRequest {
            flow_id: flow_id.clone(),
            owner_id: spec.name.owner_id,
            owner: spec.owner,
            dataset: spec.name.dataset,
            revision: u32::try_from(number).map_err(Error::internal)?,
            findability: spec.findability.into(),
            descriptor: Value::Object(spec.package.descriptor).to_string(),
            sources: spec.package.sources,
            artifacts,
            limits: Some(origin.limits()),
            forced,
            files_url: origin.files_url,
            created_at: Some(time::wire(created_at)),
            updated_at: Some(time::wire(now)),
        };
        command::add(tx, "start", &flow_id, &request, &origin.principal).await?;
    }
    let record = Record { action: "spec.upload", thing: flow_id.clone(), detail: json!({"trigger": trigger}) };
    audit::write(tx, &store.clock, context, record).await?;
    Ok(UploadResponse { success: true, dataset_id: Some(id), flow_id: Some(flow_id), errors: Vec::new() })
}

/// Sets when the dataset runs by itself next, or that it does not.
async fn keep_timer(tx: &mut Tx, id: &str, spec: &Spec, now: DateTime<Utc>) -> Result<()> {
    let due = dataset::due_at(tx, id).await?;
    match spec.schedule.as_ref().and_then(|schedule| schedule.next(due, now)) {
        Some(next) => timer::set(tx, id, next).await,
        None => timer::clear(tx, id).await,
    }
}

/// A time as the original wrote it: ISO 8601 with microseconds and no zone (spec-store.md 1.3); UTC.
fn iso(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}
