//! What D.Hub documents and this hub does not have (dhub.md section 12): knowledge, its builder and its chat, ontologies. Signed-in
//! callers are told so; others learn nothing.

use madang_kit::{Code, Error};

use super::{call::Call, error::DhubError};

/// 501.
pub(crate) async fn not_implemented(_: Call) -> DhubError {
    Error::new(Code::NotImplemented, "Not Implemented").into()
}
