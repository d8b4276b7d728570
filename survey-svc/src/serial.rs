//! Serials: how a collect group is called in links (dataspace.md section 3).

use madang_kit::{Result, id::short_name};

/// `a` and 12 letters and digits.
pub(crate) fn generate() -> Result<String> {
    Ok(format!("a{}", short_name()?))
}
