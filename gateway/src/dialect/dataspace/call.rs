//! What a handler of `/v1` and of `/dataspace/v1` is given.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, header::CONTENT_TYPE, request::Parts},
};
use bytes::Bytes;
use chrono_tz::Tz;
use madang_kit::{Code, Context, Error, Id, principal::Scheme};
use serde_json::Value;
use url::form_urlencoded;

use super::{Refusal, identifier};
use crate::{
    Gateway,
    dialect::request,
    edge::Client,
    identity::{Space, space},
};

/// Schemes that open `/v1`.
const KEYS: [Scheme; 2] = [Scheme::SpaceBasic, Scheme::NcpSignature];
/// Schemes that open `/dataspace/v1`: a person's.
const PEOPLE: [Scheme; 2] = [Scheme::BearerJwt, Scheme::NcpSignature];

/// A call of `/v1`.
pub(super) struct Call {
    pub(super) context: Context,
    pub(super) space: Arc<Space>,
    pub(super) query: Query,
    /// Where it came from, for the audit of personal data.
    pub(super) source: String,
}

/// A call of `/dataspace/v1/spaces/{spaceId}/…`, in that space.
pub(super) struct Author {
    pub(super) context: Context,
    pub(super) space: Arc<Space>,
    pub(super) query: Query,
    pub(super) source: String,
    /// What stands in the path, by name.
    pub(super) path: HashMap<String, String>,
}

/// A call of `/dataspace/v1/spaces`.
pub(super) struct Person {
    pub(super) context: Context,
}

/// A call with a JSON body, which is read after the caller was let in.
pub(super) struct With<C>(pub(super) C, pub(super) Value);

/// A bounded body of any kind.
pub(super) struct TextBody(pub(super) Bytes);

/// What stands in the path, by name. Callers without a credential learn nothing about it.
pub(super) struct Path<T>(pub(super) T);

/// Query parameters.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    fn read(text: Option<&str>) -> Result<Self, Error> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(text.unwrap_or_default().as_bytes()).into_owned().collect();
        match pairs.iter().find(|(_, value)| value.contains('\0')) {
            Some((key, _)) => Err(Error::invalid(key.replace('\0', ""), "control_character", "the query must not contain NUL")),
            None => Ok(Self(pairs)),
        }
    }

    /// A parameter that is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// A parameter that must be there and not blank.
    pub(super) fn need(&self, name: &str) -> Result<&str, Error> {
        let found = self.get(name).filter(|text| !text.trim().is_empty());
        found.ok_or_else(|| Error::invalid(name, "missing", format!("{name} is required")))
    }
}

/// The address that a request came from.
pub(super) fn source(parts: &Parts, gateway: &Gateway) -> String {
    Client::of(&gateway.config.trusted_proxies, &parts.extensions, &parts.headers)
        .map(|client| client.address.to_string())
        .unwrap_or_default()
}

fn let_in(parts: &Parts, gateway: &Gateway, accepted: &[Scheme]) -> Result<Context, Refusal> {
    let principal = request::caller(&parts.extensions, accepted)?;
    let writes = gateway.remembers_writes() && !parts.method.is_safe();
    let key = writes.then(|| request::idempotency_key(&principal, &parts.headers, &parts.extensions, b"")).flatten();
    Ok(Context { idempotency_key: key, ..request::context(&parts.extensions, principal) })
}

/// A refused person is told of the token, not of the key.
fn sign_in(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Of(error) => Refusal::SignIn(error),
        other => other,
    }
}

fn no_space() -> Error {
    Error::new(Code::Denied, "the credential belongs to no space")
}

async fn space_of(gateway: &Gateway, context: &Context) -> Result<Arc<Space>, Refusal> {
    let id = context.principal.space.ok_or_else(no_space)?;
    Ok(gateway.identity.space(id).await?.ok_or_else(|| identifier::missing("space"))?)
}

impl FromRequestParts<Gateway> for Call {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        let mut context = let_in(parts, gateway, &KEYS)?;
        if context.principal.scheme == Scheme::NcpSignature {
            // A signature is a person's: it carries the roles that he has in the key's space now.
            let id = context.principal.space.ok_or_else(no_space)?;
            context = space::enter(&gateway.identity, context, id).await?;
        }
        let space = space_of(gateway, &context).await?;
        if !space.api_access {
            return Err(Refusal::PlanRequired);
        }
        let rate = gateway.config.survey.space_rate;
        if rate > 0 {
            let bucket = format!("dataspace:{}", context.principal.space.unwrap_or(Id::NIL));
            limit(gateway, &bucket, rate).await?;
        }
        Ok(Self { space, query: Query::read(parts.uri.query())?, source: source(parts, gateway), context })
    }
}

/// Takes one of so many requests a second.
pub(super) async fn limit(gateway: &Gateway, bucket: &str, per_second: u32) -> Result<(), Refusal> {
    match gateway.shared.take(bucket, per_second).await {
        Some(wait) => Err(Refusal::Limited(wait.as_secs() + 1)),
        None => Ok(()),
    }
}

impl FromRequestParts<Gateway> for Person {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        Ok(Self { context: let_in(parts, gateway, &PEOPLE).map_err(sign_in)? })
    }
}

impl FromRequestParts<Gateway> for Author {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        let context = let_in(parts, gateway, &PEOPLE).map_err(sign_in)?;
        let Path(path) = Path::<HashMap<String, String>>::from_request_parts(parts, gateway).await?;
        let id = path.get("spaceId").and_then(|text| identifier::read_lower(text)).ok_or_else(|| identifier::missing("space"))?;
        let context = space::enter(&gateway.identity, context, id).await?;
        let space = space_of(gateway, &context).await?;
        Ok(Self { space, query: Query::read(parts.uri.query())?, source: source(parts, gateway), context, path })
    }
}

impl Author {
    /// The id of a survey, a group or a sheet in the path.
    pub(super) fn lower(&self, name: &str, thing: &str) -> Result<String, Error> {
        identifier::named(identifier::read_lower, thing, self.path.get(name).map_or("", String::as_str))
    }

    /// The zone of its date-times.
    pub(super) fn zone(&self) -> Tz {
        self.space.zone
    }
}

impl FromRequestParts<Gateway> for Path<String> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        read_path(parts, gateway).await
    }
}

impl FromRequestParts<Gateway> for Path<(String, String)> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        read_path(parts, gateway).await
    }
}

impl FromRequestParts<Gateway> for Path<HashMap<String, String>> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        read_path(parts, gateway).await
    }
}

async fn read_path<T: serde::de::DeserializeOwned + Send>(parts: &mut Parts, gateway: &Gateway) -> Result<Path<T>, Refusal> {
    let read = axum::extract::Path::from_request_parts(parts, gateway).await;
    Ok(Path(read.map_err(|_| Error::new(Code::NotFound, "not found"))?.0))
}

/// What every kind of call carries.
pub(super) trait Carries {
    fn context(&mut self) -> &mut Context;
}

impl Carries for Call {
    fn context(&mut self) -> &mut Context {
        &mut self.context
    }
}

impl Carries for Author {
    fn context(&mut self) -> &mut Context {
        &mut self.context
    }
}

impl Carries for Person {
    fn context(&mut self) -> &mut Context {
        &mut self.context
    }
}

impl<C> FromRequest<Gateway> for With<C>
where
    C: FromRequestParts<Gateway, Rejection = Refusal> + Carries + Send,
{
    type Rejection = Refusal;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let mut call = C::from_request_parts(&mut parts, gateway).await?;
        let bytes = request::body(body, gateway.config.body_bytes).await?;
        let context = call.context();
        if context.idempotency_key.is_some() {
            // Another body under the same signature is another request.
            context.idempotency_key = request::idempotency_key(&context.principal, &parts.headers, &parts.extensions, &bytes);
        }
        let body = json(&parts.headers, &bytes)?;
        Ok(Self(call, body))
    }
}

impl FromRequest<Gateway> for TextBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Refusal> {
        let (_, _, body) = request::split(request);
        Ok(Self(request::body(body, gateway.config.body_bytes).await?))
    }
}

/// A body as JSON; only who says that it is JSON is read.
pub(super) fn json(headers: &HeaderMap, bytes: &[u8]) -> Result<Value, Refusal> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence != "application/json" && !(essence.starts_with("application/") && essence.ends_with("+json")) {
        return Err(Refusal::NotJson);
    }
    let value: Value = serde_json::from_slice(crate::dialect::fields::without_mark(bytes))
        .map_err(|error| Error::invalid("body", "json", format!("the body is not JSON: {error}")))?;
    Ok(value)
}
