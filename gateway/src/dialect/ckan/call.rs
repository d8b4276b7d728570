//! One call of an action: who asks, which dictionary, who answers it.

use axum::{
    extract::{Path, Request, State},
    http::{Method, StatusCode, header::ALLOW},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use madang_kit::{
    Code, Context, Error, Principal,
    ckan::{Dict, Outcome, Refusal, required},
    principal::Scheme,
    rpc,
};
use madang_proto::catalog::v1::{ActRequest, ActResponse, act_response};
use serde_json::Value;

use super::{
    action::{self, Action, Home},
    answer::{self, Given},
    body,
    files::{self, Taken},
    person, token,
};
use crate::{
    Gateway,
    credential::{Credential, ncp_signature},
    dialect::request,
};

/// Schemes that open CKAN's API; a caller with another one is nobody.
const ACCEPTED: [Scheme; 2] = [Scheme::CkanToken, Scheme::NcpSignature];

/// An action on its way.
pub(super) struct Call<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) context: Context,
    pub(super) action: &'static str,
    pub(super) dict: Dict,
}

/// `GET` or `POST /api/3/action/{name}`
pub(super) async fn action(State(gateway): State<Gateway>, Path(name): Path<String>, request: Request) -> Response {
    let gets = request.method() == Method::GET || request.method() == Method::HEAD;
    if !gets && request.method() != Method::POST {
        return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD, OPTIONS, POST")], "Method Not Allowed").into_response();
    }
    let Some(action) = action::find(&name) else { return answer::bad_request(&format!("Action name not known: {name}")) };
    let query = request.uri().query().unwrap_or_default().to_owned();
    let (extensions, headers, body) = request::split(request);
    if gets && !action.reads {
        return answer::bad_request("JSON Error: Invalid request. Please use POST method for your request");
    }
    let mut dict = if action.reads { body::query(&query) } else { Dict::new() };
    let callback = if gets { dict.remove("callback").and_then(|callback| callback.as_str().map(str::to_owned)) } else { None };
    let asked = match principal(extensions.get::<Credential>(), ncp_signature::is_present(&headers), callback.is_some()) {
        Ok(principal) => principal,
        Err(error) => return answer::enveloped(&gateway.site_url, action, &dict, Err(error.into()), None),
    };
    let mut call = Call { gateway: &gateway, context: request::context(&extensions, asked), action: action.name, dict: Dict::new() };
    let remembers = !action.reads && gateway.remembers_writes();
    if !gets {
        let read = if body::is_multipart(&headers) {
            if remembers {
                call.context.idempotency_key =
                    request::idempotency_key(&call.context.principal, &headers, &extensions, action.name.as_bytes());
            }
            let mut request = Request::new(body);
            request.headers_mut().clone_from(&headers);
            match files::take(&call, action.home, request).await {
                Ok(Taken::Asked(dict, outcome)) => return answer::enveloped(&gateway.site_url, action, &dict, outcome, None),
                Ok(Taken::Fields(fields)) => body::of_fields(fields),
                Err(unreadable) => Err(unreadable),
            }
        } else {
            body::read(&headers, body).await
        };
        match read {
            Ok(given) => dict.extend(given),
            Err(body::Unreadable::Json(message)) => return answer::bad_request(&format!("JSON Error: {message}")),
            Err(body::Unreadable::Refused(refusal)) => return answer::enveloped(&gateway.site_url, action, &dict, Err(refusal), None),
        }
    }
    if remembers {
        let whole = serde_json::to_vec(&dict).unwrap_or_default();
        call.context.idempotency_key = request::idempotency_key(&call.context.principal, &headers, &extensions, &whole);
    }
    call.dict.clone_from(&dict);
    let outcome = call.answer(action).await;
    answer::enveloped(&gateway.site_url, action, &dict, outcome, callback.as_deref())
}

/// The JSON of what the catalogue answers.
pub(super) fn json_of(answer: ActResponse) -> Outcome<Bytes> {
    match answer.outcome {
        Some(act_response::Outcome::Result(bytes)) => Ok(bytes),
        Some(act_response::Outcome::Refusal(refusal)) => Err(Refusal::read(&refusal)),
        None => Err(Error::internal("an answer without an outcome").into()),
    }
}

/// Who asks. A token that does not hold is nobody's (ckan.md 2.1); a signature that does not hold is refused. With a callback
/// everybody is nobody, because any page may make a browser ask (1.6).
pub(super) fn principal(credential: Option<&Credential>, signed: bool, has_callback: bool) -> Result<Principal, Error> {
    match credential {
        Some(Credential::Unavailable) => Err(Error::new(Code::Unavailable, "credentials can't be checked now")),
        Some(Credential::Refused(_)) if signed => Err(Error::new(Code::Unauthenticated, "Access denied")),
        Some(Credential::Principal(principal)) if ACCEPTED.contains(&principal.scheme) && !has_callback => Ok(principal.clone()),
        _ => Ok(Principal::anonymous()),
    }
}

impl Call<'_> {
    async fn answer(&self, action: &Action) -> Outcome<Given> {
        match action.home {
            Home::Catalogue => self.ask_json(self.action, self.dict.clone()).await.map(Given::Json),
            Home::Gateway => self.answer_here().await.map(Given::Value),
        }
    }

    async fn answer_here(&self) -> Outcome {
        match self.action {
            "help_show" => self.help(),
            "user_show" => person::show(self).await,
            "user_create" => person::create(self).await,
            "user_update" => person::update(self).await,
            "user_patch" => person::patch(self).await,
            "user_delete" => person::delete(self).await,
            "user_invite" => person::invite(self).await,
            "api_token_create" => token::create(self).await,
            "api_token_list" => token::list(self).await,
            "api_token_revoke" => token::revoke(self).await,
            _ => Err(Refusal::Unknown),
        }
    }

    /// What the catalogue answers to an action, as this caller.
    pub(super) async fn ask(&self, name: &str, dict: Dict) -> Outcome {
        Ok(serde_json::from_slice(&self.ask_json(name, dict).await?)?)
    }

    /// The JSON of what the catalogue answers.
    async fn ask_json(&self, name: &str, dict: Dict) -> Outcome<Bytes> {
        let request = ActRequest {
            action: name.to_owned(),
            dict: serde_json::to_vec(&dict)?.into(),
            site_url: self.gateway.site_url.clone(),
            reads: action::find(name).is_some_and(|action| action.reads),
        };
        json_of(self.gateway.actions.clone().act(rpc::request(&self.context, request)).await.map_err(Error::from)?.into_inner())
    }

    /// `help_show`
    fn help(&self) -> Outcome {
        let name = required(&self.dict, "name")?;
        let action = action::find(&name).ok_or_else(|| Refusal::NotFound("Action function not found".to_owned()))?;
        Ok(Value::from(action.help()))
    }

    /// Whether nobody asks.
    pub(super) fn is_nobody(&self) -> bool {
        self.context.principal.scheme == Scheme::Anonymous
    }

    /// Whether an administrator asks.
    pub(super) fn is_sysadmin(&self) -> bool {
        self.context.principal.is_admin()
    }

    /// Refuses callers without a credential.
    pub(super) fn demand_login(&self) -> Outcome<()> {
        if self.is_nobody() {
            return Err(Refusal::Denied(format!("Action {} requires an authenticated user", self.action)));
        }
        Ok(())
    }
}
