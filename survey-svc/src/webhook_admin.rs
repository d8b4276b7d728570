//! Setting up a space's webhook, and looking after what was delivered (dataspace.md section 11).

use madang_kit::{Code, Context, Error, Result, check, outbound::FetchAllow, time};
use madang_proto::survey::v1::{
    Delivery, GetWebhookRequest, ListDeliveriesRequest, ListDeliveriesResponse, PutWebhookRequest, RedeliverRequest, TestWebhookRequest,
    Webhook,
};
use serde_json::json;
use url::Url;

use crate::{
    Surveys, audit,
    permission::{self, Right},
    store::{self, delivery as rows, survey::last_id},
    webhook,
};

const URL_CHARS: usize = 2_000;

/// Sets, or with an empty address removes, the webhook.
pub(crate) async fn put(surveys: &Surveys, context: &Context, request: PutWebhookRequest) -> Result<Webhook> {
    let space = permission::may(context, Right::Connect)?;
    let webhook = if request.url.is_empty() { None } else { Some(read(surveys, &space, &request).await?) };
    let mut tx = surveys.db.begin().await?;
    match &webhook {
        None => rows::delete_webhook(&mut tx, &space).await?,
        Some(webhook) => rows::put_webhook(&mut tx, &space, webhook).await?,
    }
    // The host says where events go; what stands behind it may be as good as a secret.
    let host = Url::parse(&request.url).ok().and_then(|url| url.host_str().map(str::to_owned));
    audit::note(surveys, &mut tx, context, "webhook.update", &space, json!({"host": host})).await?;
    tx.commit().await?;
    Ok(Webhook { url: request.url })
}

async fn read(surveys: &Surveys, space: &str, request: &PutWebhookRequest) -> Result<rows::Webhook> {
    demand_address(surveys, &request.url).await?;
    let chars = request.secret.chars().count();
    if !(16..=128).contains(&chars) || request.secret.contains('\0') {
        return Err(Error::invalid("secret", "length", "secret has 16 to 128 characters"));
    }
    Ok(rows::Webhook { url: request.url.clone(), secret: surveys.vault.seal(&request.secret, &webhook::bound(space))? })
}

/// HTTPS, or HTTP to what the operator allows; no private address that he does not.
async fn demand_address(surveys: &Surveys, text: &str) -> Result<()> {
    let bad = |message: &str| Error::invalid("url", "url", format!("url: {message}"));
    let url = Url::parse(text).map_err(|_| bad("must be a URL"))?;
    if text.len() > URL_CHARS || !matches!(url.scheme(), "https" | "http") || !url.username().is_empty() || url.password().is_some() {
        return Err(bad("must begin with https://, name no user and have at most 2000 characters"));
    }
    let host = url.host_str().ok_or_else(|| bad("must name a host"))?;
    let port = url.port_or_known_default().unwrap_or(443);
    match surveys.allow.resolve(host, port).await {
        Err(error) if error.code == Code::Denied => return Err(bad(&error.message)),
        _ => {} // a host that is not known now may be later
    }
    // What is called without TLS is private, and listed by the operator.
    let private = matches!(FetchAllow::default().resolve(host, port).await, Err(error) if error.code == Code::Denied);
    if url.scheme() == "http" && !private { Err(bad("must begin with https://")) } else { Ok(()) }
}

/// The webhook; its secret is never given out.
pub(crate) async fn get(surveys: &Surveys, context: &Context, _: GetWebhookRequest) -> Result<Webhook> {
    let space = permission::may(context, Right::Connect)?;
    let found = rows::webhook(&surveys.db, &space).await?;
    Ok(Webhook { url: found.map(|found| found.url).unwrap_or_default() })
}

/// A page of deliveries, newest first.
pub(crate) async fn list(surveys: &Surveys, context: &Context, request: ListDeliveriesRequest) -> Result<ListDeliveriesResponse> {
    let space = permission::may(context, Right::Connect)?;
    let before = check::optional_id("next", request.behind.as_deref())?.map_or_else(last_id, |id| id.to_string());
    let mut found = rows::list(&surveys.db, &space, before).await?;
    let more = store::cut(&mut found, |delivery| &delivery.id).is_some();
    let next = found.last().filter(|_| more).map(|delivery| delivery.id.clone());
    Ok(ListDeliveriesResponse { deliveries: found.into_iter().map(wire).collect(), next })
}

/// Sends an event once more, as if it were new.
pub(crate) async fn redeliver(surveys: &Surveys, context: &Context, request: RedeliverRequest) -> Result<Delivery> {
    let space = permission::may(context, Right::Connect)?;
    let found = rows::find(&surveys.db, &space, &request.id).await?;
    let found = found.ok_or_else(|| permission::missing("delivery", &request.id))?;
    let again = rows::Delivery { state: webhook::WAITING.to_owned(), attempts: 0, status: None, next_at: surveys.clock.now(), ..found };
    rows::renew(&surveys.db, &again.id, again.next_at).await?;
    surveys.deliveries.ring();
    Ok(wire(again))
}

/// Sends an event that tells of nothing.
pub(crate) async fn test(surveys: &Surveys, context: &Context, _: TestWebhookRequest) -> Result<Delivery> {
    let space = permission::may(context, Right::Connect)?;
    if rows::webhook(&surveys.db, &space).await?.is_none() {
        return Err(Error::new(Code::Conflict, "the space has no webhook"));
    }
    let event = webhook::waiting(&space, webhook::TEST, &json!({}), surveys.clock.now());
    let mut tx = surveys.db.begin().await?;
    rows::insert(&mut tx, std::slice::from_ref(&event)).await?;
    tx.commit().await?;
    surveys.deliveries.ring();
    Ok(wire(event))
}

fn wire(row: rows::Delivery) -> Delivery {
    Delivery {
        id: row.id,
        event: row.event,
        state: row.state,
        attempts: row.attempts,
        status: row.status,
        created_at: Some(time::wire(row.created_at)),
        next_at: Some(time::wire(row.next_at)),
        body: row.body,
    }
}
