//! What a first start leaves behind: one administrator, one space, and a credential of every kind.

use aws_lc_rs::rand;
use madang_kit::{
    Context, Error, Id, Principal, Result,
    audit::{self, Record},
    hex,
};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::types::Json;

use super::{
    Identity, bound_to,
    key_store::{self, AccessKeyRow},
    password, space,
    store::{self, ApiToken, User},
    token::{CkanClaims, SpecStoreClaims, Tokens, random_jti},
};

pub(super) const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
pub(super) const UPPER: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// One credential of every kind for the first administrator (design: "what a first start leaves behind").
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// For logins.
    pub username: String,
    /// For logins.
    pub password: String,
    /// For logins too.
    pub email: String,
    /// Public half of the key for NCP signatures.
    pub access_key: String,
    /// Secret half.
    pub secret_key: String,
    /// For Basic authentication.
    pub space_id: String,
    /// For Basic authentication.
    pub api_key: String,
    /// Protects survey links.
    pub hmac_key: String,
    /// CKAN's API token.
    pub ckan_api_token: String,
    /// The Spec Store's user id.
    pub owner_id: String,
    /// The Spec Store's service token.
    pub spec_store_token: String,
}

/// Makes the first administrator in an empty identity store. `keep` must make the credentials durable; it is called before anything
/// is committed, so that no password is lost. `None` if there are users already.
pub(crate) async fn bootstrap(
    identity: &Identity,
    tokens: &Tokens,
    keep: impl FnOnce(&Credentials) -> std::io::Result<()>,
) -> Result<Option<Credentials>> {
    if store::has_users(&identity.db).await? {
        return Ok(None);
    }
    let now = identity.clock.now();
    let (admin, space_id) = (Id::generate(), Id::generate());
    let (email, jti) = ("admin@madang.local", random_jti()?);
    let claims = CkanClaims { jti: jti.clone(), iat: now.timestamp(), exp: None };
    let credentials = Credentials {
        username: "admin".to_owned(),
        password: random(BASE62, 24)?,
        email: email.to_owned(),
        access_key: format!("ncp_iam_{}", random(UPPER, 20)?),
        secret_key: format!("ncp_iam_{}", random(BASE62, 40)?),
        space_id: space_text(space_id),
        api_key: random(BASE62, 40)?,
        hmac_key: random(BASE62, 40)?,
        ckan_api_token: tokens.sign_ckan(&claims)?,
        owner_id: owner_id(email),
        spec_store_token: tokens.sign_spec_store(&service_token(email))?,
    };
    let person = person(admin, &credentials, password::hash(credentials.password.clone()).await?, now);
    let service = service_principal(space_id, now);
    keep(&credentials).map_err(Error::internal)?;

    let mut tx = identity.db.begin().await?;
    store::insert_user(&mut tx, &person).await?;
    store::insert_user(&mut tx, &service).await?;
    let first = space::row(identity, space_id, "first", &service, (&credentials.api_key, &credentials.hmac_key))?;
    store::insert_space(&mut tx, &first).await?;
    store::insert_space_member(&mut tx, &first.id, &person.id, &space::all_roles()).await?;
    key_store::insert(&mut tx, &access_key(identity, &credentials, &person, &first.id)?).await?;
    let (name, user_id) = ("first".to_owned(), person.id.clone());
    store::add_api_token(&mut tx, &ApiToken { id: jti, name, user_id, created_at: now, expires_at: None, last_access: None }).await?;
    let context = Context::new(Principal::service("gateway"));
    let record = Record { action: "hub.bootstrap", thing: person.id.clone(), detail: json!({"space": &first.id}) };
    audit::write(&mut tx, &identity.clock, &context, record).await?;
    tx.commit().await?;
    Ok(Some(credentials))
}

/// A Space ID (dataspace.md section 2): `a` and lowercase ULID text.
pub(crate) fn space_text(id: Id) -> String {
    format!("a{}", id.ulid_lower())
}

/// The Spec Store's user id: MD5 of the e-mail in lower case (spec-store.md 1.6).
pub(crate) fn owner_id(email: &str) -> String {
    hex(&Md5::digest(email.to_lowercase()))
}

fn person(id: Id, credentials: &Credentials, password_hash: String, now: chrono::DateTime<chrono::Utc>) -> User {
    User {
        id: id.to_string(),
        name: credentials.username.clone(),
        email: credentials.email.clone(),
        full_name: "Administrator".to_owned(),
        password_hash: Some(password_hash),
        owner_id: credentials.owner_id.clone(),
        state: "active".to_owned(),
        sysadmin: true,
        service: false,
        site_user: true,
        about: None,
        image_url: None,
        plugin_extras: None,
        alias: None,
        groups: Json(Vec::new()),
        tags: Json(Vec::new()),
        revision: 1,
        created_at: now,
        updated_at: now,
    }
}

fn access_key(identity: &Identity, credentials: &Credentials, user: &User, space: &str) -> Result<AccessKeyRow> {
    let sealed = identity.keyring.seal(&credentials.secret_key, &bound_to("access_key", &credentials.access_key));
    Ok(AccessKeyRow {
        access_key: credentials.access_key.clone(),
        secret: sealed.map_err(Error::internal)?,
        secret_mark: Some(identity.keyring.mark(&credentials.secret_key)),
        user_id: user.id.clone(),
        space_id: space.to_owned(),
        state: "active".to_owned(),
        expires_at: None,
        per_second: None,
        per_day: None,
        per_month: None,
        created_at: user.created_at,
        user_name: user.name.clone(),
        user_state: user.state.clone(),
        sysadmin: user.sysadmin,
        member_role: None, // read with the key, not kept with it
    })
}

/// The principal that a space's own key acts as.
pub(super) fn service_principal(space: Id, now: chrono::DateTime<chrono::Utc>) -> User {
    let name = format!("space-{}", space.ulid_lower());
    let email = format!("{name}@madang.local");
    User {
        id: Id::generate().to_string(),
        owner_id: owner_id(&email),
        full_name: name.clone(),
        name,
        email,
        password_hash: None,
        state: "active".to_owned(),
        sysadmin: false,
        service: true,
        site_user: false,
        about: None,
        image_url: None,
        plugin_extras: None,
        alias: None,
        groups: Json(Vec::new()),
        tags: Json(Vec::new()),
        revision: 1,
        created_at: now,
        updated_at: now,
    }
}

/// The permissions of administrators (spec-store.md 1.5): generous.
pub(crate) fn generous() -> serde_json::Value {
    json!({"max_dataset_num": 10_000, "max_public_storage_mb": 100_000, "max_private_storage_mb": 100_000})
}

/// Generous permissions: the token is for trying things out.
fn service_token(email: &str) -> SpecStoreClaims {
    SpecStoreClaims {
        userid: owner_id(email),
        permissions: generous().as_object().cloned().unwrap_or_default(),
        service: "source".to_owned(),
        exp: None,
        nbf: None,
        aud: None,
    }
}

/// Random characters, each equally likely.
pub(super) fn random(alphabet: &[u8], length: usize) -> Result<String> {
    let limit = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut bytes = [0_u8; 64];
        rand::fill(&mut bytes).map_err(|_| Error::internal("no randomness"))?;
        let fair = bytes.iter().map(|&byte| usize::from(byte)).filter(|&byte| byte < limit);
        text.extend(fair.take(length - text.len()).map(|byte| char::from(alphabet[byte % alphabet.len()])));
    }
    Ok(text)
}
