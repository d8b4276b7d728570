//! Panels: people who can be asked (dataspace.md section 7). Name, phone and e-mail are sealed under the person's own key.

use std::collections::HashMap;

use madang_kit::{
    Code, Context, Error, Id, Result, Tx, check,
    db::is_unique_violation,
    idempotency::{self, Claim},
    survey::mask,
};
use madang_proto::survey::v1::{
    CreatePanelRequest, DeletePanelRequest, DeletePanelResponse, ListPanelsRequest, ListPanelsResponse, Panel, PanelFields, Profile,
    ProfileEntry, UpdatePanelRequest,
};
use serde_json::json;

use crate::{
    Surveys,
    access::{self, Known, Note},
    permission::{self, Right},
    store::{self, panel as rows, survey::last_id},
    vault::Subject,
};

/// Profile entries of one panel.
const MAX_PROFILE: usize = 200;

/// Makes a panel.
pub(crate) async fn create(surveys: &Surveys, context: &Context, request: CreatePanelRequest) -> Result<Panel> {
    let space = permission::may(context, Right::Panels)?;
    let operator = access::identify(request.operator, false)?;
    let mut tx = surveys.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &surveys.clock, context, "CreatePanel").await? {
        Claim::Done(Panel { id, .. }) => return again(surveys, context, tx, &space, (&operator, "panel.create"), &id).await,
        Claim::New(ticket) => ticket,
    };
    demand_room(surveys, &mut tx, &space, 1).await?;
    let panel = insert(surveys, &mut tx, &space, request.fields.unwrap_or_default()).await?;
    let note = Note { action: "panel.create", panels: vec![panel.id.clone()], detail: json!({}) };
    operator.note(&mut tx, &surveys.clock, context, &space, note).await?;
    ticket.record(&mut tx, &remembered(&panel)).await?;
    tx.commit().await?;
    Ok(panel)
}

/// Only its id: what is kept for repetitions lies outside of what an erasure reaches.
fn remembered(panel: &Panel) -> Panel {
    Panel { id: panel.id.clone(), ..Panel::default() }
}

/// The panel that a repeated request made or changed, as it is now; gone if it was erased meanwhile.
async fn again(
    surveys: &Surveys,
    context: &Context,
    mut tx: Tx,
    space: &str,
    (operator, action): (&Known, &str),
    id: &str,
) -> Result<Panel> {
    let found = lock(&mut tx, space, id).await?;
    let note = Note { action, panels: vec![found.id.clone()], detail: json!({"repeated": true}) };
    operator.note(&mut tx, &surveys.clock, context, space, note).await?;
    let answer = show(surveys, &mut tx, found).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Refuses panels beyond the limit of a space; who counts waits for others who add.
pub(crate) async fn demand_room(surveys: &Surveys, tx: &mut Tx, space: &str, more: i64) -> Result<()> {
    let most = surveys.config.panels;
    rows::lock_count(tx, space).await?;
    if rows::count(tx, space).await? + more > i64::from(most) {
        return Err(Error::invalid("panels", "too_many", format!("a space has at most {most} panels")));
    }
    Ok(())
}

/// Adds one panel.
pub(crate) async fn insert(surveys: &Surveys, tx: &mut Tx, space: &str, fields: PanelFields) -> Result<Panel> {
    let now = surveys.clock.now();
    let id = Id::generate().to_string();
    let subject = surveys.vault.new_subject(&id)?;
    let mut panel = rows::Panel {
        wrapped: subject.wrapped.clone(),
        id,
        space_id: space.to_owned(),
        uid: None,
        name: None,
        country_code: None,
        cellphone: None,
        email: None,
        is_sms_opt_out: false,
        is_email_opt_out: false,
        created_at: now,
        updated_at: now,
    };
    let profile = fields.profile.clone();
    apply(&mut panel, &subject, fields)?;
    rows::insert(tx, &panel).await.map_err(taken)?;
    if let Some(profile) = profile {
        put_profile(tx, &panel, profile).await?;
    }
    show(surveys, tx, panel).await
}

/// A page of panels. Looking is noted as any other work.
pub(crate) async fn list(surveys: &Surveys, context: &Context, request: ListPanelsRequest) -> Result<ListPanelsResponse> {
    let space = permission::may(context, if request.masked { Right::Panels } else { Right::OpenPanels })?;
    let operator = access::identify(request.operator, !request.masked)?;
    let from = check::optional_id("panelId", request.from.as_deref())?.map_or_else(last_id, |id| id.to_string());
    let mut tx = surveys.db.begin().await?;
    let mut found = rows::list(&mut tx, &space, from).await?;
    let next = store::cut(&mut found, |panel| &panel.id);
    let ends = [found.first(), found.last()].into_iter().flatten().map(|panel| panel.id.clone()).collect();
    let detail = json!({"count": found.len(), "from": request.from, "masked": request.masked});
    operator.note(&mut tx, &surveys.clock, context, &space, Note { action: "panel.list", panels: ends, detail }).await?;
    let ids = found.iter().map(|panel| panel.id.clone()).collect();
    let mut profiles = rows::profiles(&mut tx, ids).await?;
    tx.commit().await?;
    let panels: Result<Vec<Panel>> = found.into_iter().map(|panel| open(surveys, panel, &mut profiles)).collect();
    let mut panels = panels?;
    if request.masked {
        panels.iter_mut().for_each(hide);
    }
    Ok(ListPanelsResponse { panels, next })
}

/// Changes what is given, and shows all of it.
pub(crate) async fn update(surveys: &Surveys, context: &Context, request: UpdatePanelRequest) -> Result<Panel> {
    let space = permission::may(context, Right::OpenPanels)?;
    let operator = access::identify(request.operator, false)?;
    let mut tx = surveys.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &surveys.clock, context, "UpdatePanel").await? {
        Claim::Done(Panel { id, .. }) => return again(surveys, context, tx, &space, (&operator, "panel.update"), &id).await,
        Claim::New(ticket) => ticket,
    };
    let mut panel = lock(&mut tx, &space, &request.id).await?;
    let subject = surveys.vault.subject(&panel.id, &panel.wrapped)?;
    let fields = request.fields.unwrap_or_default();
    let profile = fields.profile.clone();
    apply(&mut panel, &subject, fields)?;
    panel.updated_at = surveys.clock.now();
    rows::update(&mut tx, &panel).await.map_err(taken)?;
    if let Some(profile) = profile {
        put_profile(&mut tx, &panel, profile).await?;
    }
    let note = Note { action: "panel.update", panels: vec![panel.id.clone()], detail: json!({}) };
    operator.note(&mut tx, &surveys.clock, context, &space, note).await?;
    let answer = show(surveys, &mut tx, panel).await?;
    ticket.record(&mut tx, &remembered(&answer)).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Removes a panel; with its key every copy of its values becomes noise.
pub(crate) async fn delete(surveys: &Surveys, context: &Context, request: DeletePanelRequest) -> Result<DeletePanelResponse> {
    let space = permission::may(context, Right::Panels)?;
    let operator = access::identify(request.operator, false)?;
    let mut tx = surveys.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &surveys.clock, context, "DeletePanel").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    let panel = lock(&mut tx, &space, &request.id).await?;
    rows::delete(&mut tx, &panel.id).await?;
    let note = Note { action: "panel.delete", panels: vec![panel.id], detail: json!({}) };
    operator.note(&mut tx, &surveys.clock, context, &space, note).await?;
    ticket.record(&mut tx, &DeletePanelResponse {}).await?;
    tx.commit().await?;
    Ok(DeletePanelResponse {})
}

async fn lock(tx: &mut Tx, space: &str, id: &str) -> Result<rows::Panel> {
    let found = rows::lock(tx, id).await?.ok_or_else(|| permission::missing("panel", id))?;
    permission::own(space, &found.space_id, "panel", id)?;
    Ok(found)
}

fn apply(panel: &mut rows::Panel, subject: &Subject, fields: PanelFields) -> Result<()> {
    for name in &fields.cleared {
        match name.as_str() {
            "uid" => panel.uid = None,
            "name" => panel.name = None,
            "country_code" => panel.country_code = None,
            "cellphone" => panel.cellphone = None,
            "email" => panel.email = None,
            _ => return Err(Error::invalid("cleared", "unknown", "there is no such field")),
        }
    }
    if let Some(uid) = fields.uid {
        panel.uid = Some(self::uid(uid)?);
    }
    if let Some(name) = fields.name {
        panel.name = Some(subject.seal(&text("name", name, 64)?, "panel.name")?);
    }
    if let Some(code) = fields.country_code {
        panel.country_code = Some(digits("countryCode", code, 3)?.parse().map_err(Error::internal)?);
    }
    if let Some(phone) = fields.cellphone {
        panel.cellphone = Some(subject.seal(&digits("cellphone", phone, 14)?, "panel.cellphone")?);
    }
    if let Some(email) = fields.email {
        panel.email = Some(subject.seal(&self::email(text("email", email, 40)?)?, "panel.email")?);
    }
    panel.is_sms_opt_out = fields.is_sms_opt_out.unwrap_or(panel.is_sms_opt_out);
    panel.is_email_opt_out = fields.is_email_opt_out.unwrap_or(panel.is_email_opt_out);
    Ok(())
}

fn uid(uid: String) -> Result<String> {
    let plain = uid.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if plain && (1..=128).contains(&uid.len()) {
        return Ok(uid);
    }
    Err(Error::invalid("uid", "pattern", "uid has 1 to 128 letters, digits, - or _"))
}

fn text(field: &str, text: String, most: usize) -> Result<String> {
    if text.chars().count() > most {
        return Err(Error::invalid(field, "too_long", format!("{field} has at most {most} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(field, "control_character", format!("{field} must not contain control characters")));
    }
    Ok(text)
}

fn digits(field: &str, text: String, most: usize) -> Result<String> {
    if (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text);
    }
    Err(Error::invalid(field, "digits", format!("{field} has 1 to {most} digits")))
}

fn email(email: String) -> Result<String> {
    if check::is_email(&email) { Ok(email) } else { Err(Error::invalid("email", "email", "email must be an address")) }
}

/// Every name must exist; the first that does not is told.
async fn put_profile(tx: &mut Tx, panel: &rows::Panel, profile: Profile) -> Result<()> {
    if profile.entries.len() > MAX_PROFILE {
        return Err(Error::invalid("profileMaps", "too_many", format!("profileMaps has at most {MAX_PROFILE} entries")));
    }
    let names = profile.entries.iter().map(|entry| entry.variable.clone()).collect();
    let known = rows::named(tx, &panel.space_id, names).await?;
    let mut entries = Vec::with_capacity(profile.entries.len());
    for (index, ProfileEntry { variable, option }) in profile.entries.iter().enumerate() {
        if profile.entries.iter().take(index).any(|earlier| earlier.variable == *variable) {
            return Err(Error::invalid("profileMaps", "repeated", format!("profileMaps: '{}' is there twice", variable.escape_debug())));
        }
        let found = known.iter().find(|(_, name, _, value)| name == variable && value == option);
        let Some((variable_id, _, option_id, _)) = found else {
            let message = format!("profileMaps: there is no option '{}' of '{}'", option.escape_debug(), variable.escape_debug());
            return Err(Error::invalid("profileMaps", "unknown", message));
        };
        entries.push((variable_id.clone(), option_id.clone()));
    }
    rows::put_profile(tx, &panel.id, &entries).await
}

async fn show(surveys: &Surveys, tx: &mut Tx, panel: rows::Panel) -> Result<Panel> {
    let mut profiles = rows::profiles(tx, vec![panel.id.clone()]).await?;
    open(surveys, panel, &mut profiles)
}

/// A panel in the clear.
fn open(surveys: &Surveys, panel: rows::Panel, profiles: &mut HashMap<String, Vec<(String, String)>>) -> Result<Panel> {
    let subject = surveys.vault.subject(&panel.id, &panel.wrapped)?;
    let opened = |sealed: Option<String>, place: &str| sealed.map(|sealed| subject.open(&sealed, place)).transpose();
    let profile = profiles.remove(&panel.id).unwrap_or_default();
    Ok(Panel {
        id: panel.id,
        uid: panel.uid,
        name: opened(panel.name, "panel.name")?,
        country_code: panel.country_code,
        cellphone: opened(panel.cellphone, "panel.cellphone")?,
        email: opened(panel.email, "panel.email")?,
        is_sms_opt_out: panel.is_sms_opt_out,
        is_email_opt_out: panel.is_email_opt_out,
        profile: profile.into_iter().map(|(variable, option)| ProfileEntry { variable, option }).collect(),
    })
}

fn hide(panel: &mut Panel) {
    panel.name = panel.name.take().map(|text| mask::name(&text));
    panel.cellphone = panel.cellphone.take().map(|text| mask::phone(&text));
    panel.email = panel.email.take().map(|text| mask::email(&text));
}

fn taken(error: sqlx::Error) -> Error {
    if !is_unique_violation(&error) {
        return error.into();
    }
    Error { code: Code::AlreadyExists, ..Error::invalid("uid", "taken", "a panel of the space has this uid already") }
}
