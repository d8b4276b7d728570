//! Roles of members in a space (dataspace.md section 11). The gateway knows who has which; a principal carries those of the space that
//! it acts in.

use crate::Principal;

/// Manages members, settings, erasures; sees the audit.
pub const ADMIN: &str = "admin";
/// Manages keys and webhooks.
pub const DEVELOPER: &str = "developer";
/// Sees originals of personal-info answers.
pub const PRIVACY: &str = "privacy";
/// Authors surveys, as every member does.
pub const MEMBER: &str = "member";

/// Every role.
pub const ROLES: [&str; 4] = [ADMIN, DEVELOPER, PRIVACY, MEMBER];

/// A role as a principal carries it.
pub fn carried(role: &str) -> String {
    format!("space:{role}")
}

/// Whether a principal has a role in the space that it acts in.
pub fn has(principal: &Principal, role: &str) -> bool {
    principal.roles.iter().any(|carried| carried.strip_prefix("space:") == Some(role))
}

/// Whether a principal is a member, in whatever role, of the space that it acts in.
pub fn is_member(principal: &Principal) -> bool {
    principal.roles.iter().any(|carried| carried.starts_with("space:"))
}
