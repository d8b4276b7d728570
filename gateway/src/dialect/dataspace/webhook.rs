//! A space's webhook (dataspace.md section 11).

use axum::{Json, extract::State};
use madang_kit::rpc;
use madang_proto::survey::v1::{
    Delivery, GetWebhookRequest, ListDeliveriesRequest, PutWebhookRequest, RedeliverRequest, TestWebhookRequest,
};
use serde_json::{Value, json};

use super::{
    Refusal,
    call::{Author, With},
    identifier::{cursor, lower, read_lower},
    moment,
    object::Object,
};
use crate::Gateway;

/// `PUT …/webhook`; without a url it is removed.
pub(super) async fn put(State(gateway): State<Gateway>, With(author, body): With<Author>) -> Result<Json<Value>, Refusal> {
    let mut object = Object::of(body)?;
    let request = PutWebhookRequest { url: object.text("url")?.unwrap_or_default(), secret: object.text("secret")?.unwrap_or_default() };
    let kept = gateway.webhooks.clone().put_webhook(rpc::request(&author.context, request)).await?.into_inner();
    Ok(Json(json!({"url": Some(kept.url).filter(|url| !url.is_empty())})))
}

/// `GET …/webhook`
pub(super) async fn get(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    let found = gateway.webhooks.clone().get_webhook(rpc::request(&author.context, GetWebhookRequest {})).await?.into_inner();
    Ok(Json(json!({"url": Some(found.url).filter(|url| !url.is_empty())})))
}

/// `GET …/webhook/deliveries`
pub(super) async fn deliveries(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    let request = ListDeliveriesRequest { behind: cursor(read_lower, "next", author.query.get("next"))? };
    let found = gateway.webhooks.clone().list_deliveries(rpc::request(&author.context, request)).await?.into_inner();
    let deliveries: Vec<Value> = found.deliveries.iter().map(|delivery| shape(delivery, &author)).collect();
    Ok(Json(json!({"deliveries": deliveries, "next": found.next.as_deref().map(lower)})))
}

/// `POST …/webhook/deliveries/{deliveryId}/redeliver`
pub(super) async fn redeliver(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    let request = RedeliverRequest { id: author.lower("deliveryId", "delivery")? };
    let again = gateway.webhooks.clone().redeliver(rpc::request(&author.context, request)).await?.into_inner();
    Ok(Json(shape(&again, &author)))
}

/// `POST …/webhook/test`
pub(super) async fn test(State(gateway): State<Gateway>, author: Author) -> Result<Json<Value>, Refusal> {
    let sent = gateway.webhooks.clone().test_webhook(rpc::request(&author.context, TestWebhookRequest {})).await?.into_inner();
    Ok(Json(shape(&sent, &author)))
}

fn shape(delivery: &Delivery, author: &Author) -> Value {
    json!({
        "deliveryId": lower(&delivery.id),
        "event": delivery.event,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "status": delivery.status,
        "createdAt": moment::wire(delivery.created_at, author.zone()),
        "nextAt": moment::wire(delivery.next_at, author.zone()),
        "body": delivery.body,
    })
}
