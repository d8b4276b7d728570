//! Basic `SpaceID:API key` (dataspace.md section 2). The base64 may lack its padding.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use madang_kit::{Id, Result};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Checked, Refusal};
use crate::identity::Identity;

const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));
const MAX_BYTES: usize = 1_024;

/// Checks the text after `Basic `.
pub(super) async fn check(identity: &Identity, text: &str) -> Result<Checked> {
    let Some((space_id, api_key)) = read(text) else { return Ok(Err(Refusal::Malformed)) };
    let space = match space_id.strip_prefix('a').map(|ulid| Id::parse_prefixed("a", &format!("a-{ulid}"))) {
        Some(Ok(id)) => identity.space(id).await?,
        _ => None,
    };
    let known = space.as_ref().map_or("", |space| space.api_key.expose_secret());
    // Comparing digests takes the same time whatever the lengths.
    let equal: bool = Sha256::digest(known.as_bytes()).ct_eq(&Sha256::digest(api_key.as_bytes())).into();
    Ok(match space {
        None => Err(Refusal::Unknown),
        Some(_) if !equal => Err(Refusal::WrongProof),
        Some(space) => Ok(space.principal.clone()),
    })
}

fn read(text: &str) -> Option<(String, String)> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let decoded = String::from_utf8(LENIENT.decode(text).ok()?).ok()?;
    let (space_id, api_key) = decoded.split_once(':')?;
    Some((space_id.to_owned(), api_key.to_owned()))
}
