//! What owners may (spec-store.md 1.5): the hub has no plans of its own, so everybody has the same, administrators more.

use madang_proto::spec_store::v1::Limits;
use serde_json::{Map, Value, json};

use crate::identity::bootstrap::generous;

/// Of everybody: the numbers of an owner without a plan.
const DATASETS: u64 = 100;
const PUBLIC_MB: u64 = 100;
const PRIVATE_MB: u64 = 100;
/// What storage limits count in: 1 MB = 1,000,000 bytes.
pub(super) const MB: u64 = 1_000_000;

/// Everything that a caller may.
pub(super) fn all(is_admin: bool) -> Map<String, Value> {
    let numbers = if is_admin {
        generous()
    } else {
        json!({"max_dataset_num": DATASETS, "max_public_storage_mb": PUBLIC_MB, "max_private_storage_mb": PRIVATE_MB})
    };
    numbers.as_object().cloned().unwrap_or_default()
}

/// What a token for a service says of it.
pub(super) fn of_service(service: &str, is_admin: bool) -> Map<String, Value> {
    let named: &[&str] = match service {
        "source" => &["max_dataset_num"],
        "rawstore" => &["max_public_storage_mb", "max_private_storage_mb"],
        _ => &[],
    };
    let mut permissions = all(is_admin);
    permissions.retain(|name, _| named.contains(&name.as_str()));
    permissions
}

/// A number of a token's permissions; absent or no number = 0.
pub(super) fn number(permissions: &Map<String, Value>, name: &str) -> u64 {
    permissions.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// The limits of uploads.
pub(super) fn limits(permissions: &Map<String, Value>) -> Limits {
    Limits {
        max_dataset_num: number(permissions, "max_dataset_num"),
        max_source_bytes: number(permissions, "max_source_bytes"),
        max_rows: number(permissions, "max_rows"),
        max_run_seconds: u32::try_from(number(permissions, "max_run_seconds")).unwrap_or(u32::MAX),
    }
}
