//! CKAN's action contract, as both of its sides speak it (ckan.md 1.4, 1.5, 4, 11): dictionaries, refusals, coercions, site options.
//!
//! The gateway knows HTTP and users, the catalogue everything else; a dictionary goes in, a value or a [`Refusal`] comes out.

mod client;
mod coerce;
mod name;
mod options;
mod problems;
mod refusal;

use serde_json::{Map, Value};

pub use client::Actions;
pub use coerce::{flag, flag_value, natural, python_type, required, text, text_of, truthy};
pub use name::{check_email, check_name_length, check_name_letters};
pub use options::SiteOptions;
pub use problems::Problems;
pub use refusal::Refusal;

/// A dictionary: what an action is given and what most answer with.
pub type Dict = Map<String, Value>;
/// What an action answers.
pub type Outcome<T = Value> = std::result::Result<T, Refusal>;

/// A time as CKAN writes it: UTC without a zone, with microseconds (ckan.md 1.8).
pub fn date(time: chrono::DateTime<chrono::Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}
