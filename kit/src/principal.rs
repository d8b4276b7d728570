//! Who is asking, and the context that goes with every call.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::Id;

/// The role that passes every check (CKAN: sysadmin; D.Hub: `admin`).
pub const ADMIN: &str = "admin";
/// The role of every signed-in person.
pub const USER: &str = "user";

/// How a principal proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scheme {
    /// NCP signature v2 (dataflow.md 1.3).
    #[serde(rename = "ncp-signature-v2")]
    NcpSignature,
    /// Basic `SpaceID:API key` (dataspace.md 2).
    #[serde(rename = "space-basic")]
    SpaceBasic,
    /// Bearer JWT (dhub.md 3).
    #[serde(rename = "bearer-jwt")]
    BearerJwt,
    /// API token (ckan.md 2.1).
    #[serde(rename = "ckan-token")]
    CkanToken,
    /// `Auth-Token` RS256 JWT (spec-store.md 1.4).
    #[serde(rename = "auth-token")]
    AuthToken,
    /// No credential: whom CKAN lets read what is public (ckan.md 2).
    #[serde(rename = "anonymous")]
    Anonymous,
    /// A service of ours acting for itself.
    #[serde(rename = "service")]
    Service,
    /// A stored principal on whose behalf a run works.
    #[serde(rename = "run-as")]
    RunAs,
}

/// An authenticated caller. Roles are sorted; equal principals are equal values, which the assertion cache relies on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// The user's id; a space's own service principal has one too.
    pub user: Id,
    /// The user's unique name.
    pub name: String,
    /// The tenant it acts in; absent for credentials that belong to no space.
    pub space: Option<Id>,
    /// [`ADMIN`], [`USER`].
    pub roles: Vec<String>,
    /// How it proved who it is.
    pub scheme: Scheme,
}

impl Principal {
    /// A service of ours acting for itself, such as the gateway pushing users to the catalogue.
    pub fn service(name: &str) -> Self {
        Self { user: SERVICE_USER, name: name.to_owned(), space: None, roles: Vec::new(), scheme: Scheme::Service }
    }

    /// A caller without a credential, where a dialect lets such callers in.
    pub fn anonymous() -> Self {
        Self { user: Id::NIL, name: String::new(), space: None, roles: Vec::new(), scheme: Scheme::Anonymous }
    }

    /// Whether it passes every check.
    pub fn is_admin(&self) -> bool {
        self.roles.iter().any(|role| role == ADMIN)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The id that services and callers without a credential act under: all zero, which no user has.
const SERVICE_USER: Id = Id::NIL;

/// One value that goes through every call: the gateway makes it, gRPC carries it, stores check it.
#[derive(Clone, Debug)]
pub struct Context {
    /// Who is asking.
    pub principal: Principal,
    /// Names this request in logs and audit records.
    pub request_id: String,
    /// Set when a repetition of this request must have no second effect; equal keys are the same request.
    pub idempotency_key: Option<String>,
}

impl Context {
    /// A context for work that a service starts by itself.
    pub fn new(principal: Principal) -> Self {
        Self { principal, request_id: Id::generate().to_string(), idempotency_key: None }
    }
}
