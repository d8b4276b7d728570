//! Dataspace (dataspace.md): `/v1` with a space's key, `/dataspace/v1` for authors, `/r` for respondents.

mod author;
mod call;
mod dataset;
mod error;
mod identifier;
mod link;
mod moment;
mod object;
mod page;
mod page_token;
mod panel;
mod privacy;
mod profile;
mod qr;
mod questionnaire;
mod respondent;
mod response;
pub(super) mod routes;
mod space;
mod survey;
mod transfer;
mod webhook;

use self::error::DataspaceError as Refusal;
