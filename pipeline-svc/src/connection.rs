//! Connections to databases of users: the address and the credential, which is kept sealed and never given out.

use std::sync::Arc;

use madang_kit::{
    Code, Context, Error, Id, Result,
    audit::{self, Record},
    db::is_unique_violation,
    idempotency::{self, Claim},
    keyring::Keyring,
    outbound::FetchAllow,
    time,
};
use madang_proto::pipeline::v1::{
    Connection, ConnectionKind, ConnectionTls, CreateConnectionRequest, DeleteConnectionRequest, DeleteConnectionResponse,
    GetConnectionRequest, ListConnectionsRequest, ListConnectionsResponse,
};
use serde_json::json;

use crate::{
    Pipelines,
    database::{Address, Engine, Tls},
    store::connection as store,
};

/// Connections of one space.
const MAX_CONNECTIONS: i64 = 1_000;
/// Bytes of a password.
const MAX_PASSWORD: usize = 1_024;

/// What opening a connection needs.
#[derive(Clone)]
pub(crate) struct Vault {
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) allow: FetchAllow,
}

const KINDS: [(ConnectionKind, &str, Engine); 2] =
    [(ConnectionKind::Postgresql, "postgresql", Engine::Postgres), (ConnectionKind::Mysql, "mysql", Engine::MySql)];
const TLS: [(ConnectionTls, &str, Tls); 3] = [
    (ConnectionTls::Prefer, "prefer", Tls::Prefer),
    (ConnectionTls::Require, "require", Tls::Require),
    (ConnectionTls::Off, "off", Tls::Off),
];

/// Stores a connection in the caller's space.
pub(crate) async fn create(pipelines: &Pipelines, context: &Context, request: CreateConnectionRequest) -> Result<Connection> {
    let space = space_of(context)?;
    let new = read(pipelines, context, space, request).await?;
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "CreateConnection").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    if store::count(&mut tx, &new.space_id).await? >= MAX_CONNECTIONS {
        return Err(Error::new(Code::Conflict, format!("a space has at most {MAX_CONNECTIONS} connections")));
    }
    match store::insert(&mut tx, &new).await {
        Err(error) if is_unique_violation(&error) => {
            return Err(Error::new(Code::AlreadyExists, format!("there is a connection '{}' already", new.name)));
        }
        other => other?,
    };
    let detail = json!({"kind": new.kind, "host": new.host, "port": new.port, "space": new.space_id});
    audit::write(&mut tx, &pipelines.clock, context, Record { action: "connection.create", thing: new.id.clone(), detail }).await?;
    let answer = wire(new);
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

async fn read(pipelines: &Pipelines, context: &Context, space: Id, request: CreateConnectionRequest) -> Result<store::Connection> {
    let id = Id::generate();
    let kind = KINDS
        .iter()
        .find(|row| row.0 == request.kind())
        .ok_or_else(|| Error::invalid("kind", "choice", "kind must be postgresql or mysql"))?;
    let tls = TLS.iter().find(|row| row.0 == request.tls()).map_or("prefer", |row| row.1);
    let port = u16::try_from(request.port).ok().filter(|port| *port > 0);
    let port = port.ok_or_else(|| Error::invalid("port", "range", "port must be 1 to 65,535"))?;
    if request.password.len() > MAX_PASSWORD || request.password.contains('\0') {
        return Err(Error::invalid("password", "too_long", format!("password has at most {MAX_PASSWORD} bytes and no NUL")));
    }
    let host = word("host", &request.host)?;
    match pipelines.vault.allow.resolve(&host, port).await {
        Err(error) if error.code == Code::Denied => return Err(Error::invalid("host", "private", error.message)),
        _ => {} // a host that is not known now may be later
    }
    let secret = pipelines.vault.keyring.seal(&request.password, &bound_to(&id.to_string())).map_err(Error::internal)?;
    Ok(store::Connection {
        id: id.to_string(),
        space_id: space.to_string(),
        name: name(&request.name)?,
        kind: kind.1.to_owned(),
        host,
        port: port.into(),
        database: word("database", &request.database)?,
        username: word("username", &request.username)?,
        secret,
        tls: tls.to_owned(),
        created_by: context.principal.user.to_string(),
        created_at: pipelines.clock.now(),
    })
}

/// One connection.
pub(crate) async fn get(pipelines: &Pipelines, context: &Context, request: GetConnectionRequest) -> Result<Connection> {
    find(pipelines, context, &request.id).await.map(wire)
}

/// The connections of the caller's space.
pub(crate) async fn list(pipelines: &Pipelines, context: &Context, _: ListConnectionsRequest) -> Result<ListConnectionsResponse> {
    let found = store::list(&pipelines.db, &space_of(context)?.to_string(), MAX_CONNECTIONS).await?;
    Ok(ListConnectionsResponse { connections: found.into_iter().map(wire).collect() })
}

/// Removes a connection. Jobs that name it can't run any more.
pub(crate) async fn delete(pipelines: &Pipelines, context: &Context, request: DeleteConnectionRequest) -> Result<DeleteConnectionResponse> {
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "DeleteConnection").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    let found = find(pipelines, context, &request.id).await?;
    store::delete(&mut tx, &found.id).await?;
    let record = Record { action: "connection.delete", thing: found.id, detail: json!({"space": found.space_id}) };
    audit::write(&mut tx, &pipelines.clock, context, record).await?;
    ticket.record(&mut tx, &DeleteConnectionResponse {}).await?;
    tx.commit().await?;
    Ok(DeleteConnectionResponse {})
}

/// A connection of the caller's space, ready to be called.
pub(crate) async fn open(pipelines: &Pipelines, context: &Context, word: &str, engine: Engine) -> Result<Address> {
    let found = find(pipelines, context, word).await?;
    address(&pipelines.vault, &found, engine).await
}

/// The same for the engine, which has no service around it.
pub(crate) async fn open_for(db: &madang_kit::Db, vault: &Vault, context: &Context, word: &str, engine: Engine) -> Result<Address> {
    let found = store::find(db, &space_of(context)?.to_string(), word).await?;
    address(vault, &found.ok_or_else(|| Error::not_found("connection", word.escape_debug()))?, engine).await
}

async fn address(vault: &Vault, found: &store::Connection, engine: Engine) -> Result<Address> {
    if KINDS.iter().find(|row| row.1 == found.kind).map(|row| row.2) != Some(engine) {
        return Err(Error::new(Code::Invalid, format!("the connection '{}' is to {}", found.name, found.kind)));
    }
    let port = u16::try_from(found.port).map_err(Error::internal)?;
    Ok(Address {
        engine,
        socket: vault.allow.resolve(&found.host, port).await?,
        database: found.database.clone(),
        username: found.username.clone(),
        password: vault.keyring.open(&found.secret, &bound_to(&found.id)).map_err(Error::internal)?,
        tls: TLS.iter().find(|row| row.1 == found.tls).map_or(Tls::Prefer, |row| row.2),
    })
}

async fn find(pipelines: &Pipelines, context: &Context, word: &str) -> Result<store::Connection> {
    let found = store::find(&pipelines.db, &space_of(context)?.to_string(), word).await?;
    found.ok_or_else(|| Error::not_found("connection", word.escape_debug()))
}

/// The space that the caller acts in.
pub(crate) fn space_of(context: &Context) -> Result<Id> {
    context.principal.space.ok_or_else(|| Error::new(Code::Denied, "the credential belongs to no space"))
}

/// The row that a password belongs to.
fn bound_to(id: &str) -> String {
    format!("connection:{id}")
}

fn name(name: &str) -> Result<String> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if plain && (3..=100).contains(&name.len()) {
        return Ok(name.to_owned());
    }
    Err(Error::invalid("name", "pattern", "name must have 3 to 100 letters, digits, _ or -"))
}

fn word(field: &str, text: &str) -> Result<String> {
    if text.trim().is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
        return Err(Error::invalid(field, "missing", format!("{field} must have 1 to 255 bytes and no control characters")));
    }
    Ok(text.to_owned())
}

fn wire(row: store::Connection) -> Connection {
    Connection {
        kind: KINDS.iter().find(|kind| kind.1 == row.kind).map_or(ConnectionKind::Unspecified, |kind| kind.0).into(),
        tls: TLS.iter().find(|tls| tls.1 == row.tls).map_or(ConnectionTls::Prefer, |tls| tls.0).into(),
        id: row.id,
        name: row.name,
        host: row.host,
        port: u32::try_from(row.port).unwrap_or_default(),
        database: row.database,
        username: row.username,
        created_at: Some(time::wire(row.created_at)),
    }
}
