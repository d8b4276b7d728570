//! `/madang/v1/connections`: databases that jobs read and write. A password goes in and never comes out.

use axum::{Json, extract::State};
use madang_kit::rpc;
use madang_proto::pipeline::v1::{
    Connection, ConnectionKind, ConnectionTls, CreateConnectionRequest, DeleteConnectionRequest, GetConnectionRequest,
    ListConnectionsRequest,
};
use serde_json::{Value, json};

use super::{
    Refusal,
    call::{Call, JsonCall, Path},
};
use crate::{Gateway, dialect::dhub::wire::iso};

const KINDS: [(&str, ConnectionKind); 2] = [("postgresql", ConnectionKind::Postgresql), ("mysql", ConnectionKind::Mysql)];
const TLS: [(&str, ConnectionTls); 3] =
    [("prefer", ConnectionTls::Prefer), ("require", ConnectionTls::Require), ("off", ConnectionTls::Off)];

/// The connections of the caller's space.
pub(crate) async fn list(State(gateway): State<Gateway>, call: Call) -> Result<Json<Value>, Refusal> {
    let found = gateway.connections.clone().list_connections(rpc::request(&call.context, ListConnectionsRequest {})).await?.into_inner();
    Ok(Json(json!({"connections": found.connections.iter().map(shape).collect::<Vec<_>>()})))
}

/// A new connection of the caller's space.
pub(crate) async fn create(State(gateway): State<Gateway>, call: JsonCall) -> Result<Json<Value>, Refusal> {
    let JsonCall { context, mut fields } = call;
    let (kind, tls) = (fields.text("kind"), fields.optional_text("tls"));
    let kind = KINDS.iter().find(|row| row.0 == kind).map(|row| row.1);
    if kind.is_none() {
        fields.problem("kind", "choice", "must be postgresql or mysql");
    }
    let known = |word: &str| TLS.iter().find(|row| row.0 == word).map(|row| row.1);
    if tls.as_deref().is_some_and(|word| known(word).is_none()) {
        fields.problem("tls", "choice", "must be prefer, require or off");
    }
    let request = CreateConnectionRequest {
        name: fields.text("name"),
        kind: kind.unwrap_or_default().into(),
        host: fields.text("host"),
        port: fields.optional_number("port", 1, u16::MAX.into()).unwrap_or(if kind == Some(ConnectionKind::Mysql) { 3306 } else { 5432 }),
        database: fields.text("database"),
        username: fields.text("username"),
        password: fields.optional_text("password").unwrap_or_default(),
        tls: tls.as_deref().and_then(known).unwrap_or_default().into(),
    };
    fields.no_others();
    fields.finish()?;
    let made = gateway.connections.clone().create_connection(rpc::request(&context, request)).await?.into_inner();
    Ok(Json(shape(&made)))
}

/// One connection, by id or name.
pub(crate) async fn get(State(gateway): State<Gateway>, Path(id): Path<String>, call: Call) -> Result<Json<Value>, Refusal> {
    let found = gateway.connections.clone().get_connection(rpc::request(&call.context, GetConnectionRequest { id })).await?.into_inner();
    Ok(Json(shape(&found)))
}

/// Removes a connection.
pub(crate) async fn delete(State(gateway): State<Gateway>, Path(id): Path<String>, call: Call) -> Result<Json<Value>, Refusal> {
    gateway.connections.clone().delete_connection(rpc::request(&call.context, DeleteConnectionRequest { id })).await?;
    Ok(Json(json!({"deleted": true})))
}

fn shape(connection: &Connection) -> Value {
    json!({
        "id": connection.id,
        "name": connection.name,
        "kind": KINDS.iter().find(|row| row.1 == connection.kind()).map(|row| row.0),
        "host": connection.host,
        "port": connection.port,
        "database": connection.database,
        "username": connection.username,
        "tls": TLS.iter().find(|row| row.1 == connection.tls()).map(|row| row.0),
        "created_at": iso(connection.created_at),
    })
}
