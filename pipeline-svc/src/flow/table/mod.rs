//! A tabular source: its rows as text, cast by its Table Schema, checked on the way.

pub(crate) mod cast;
pub(crate) mod column;
mod constraint;
mod options;
pub(crate) mod read;
pub(crate) mod report;
mod rows;
pub(crate) mod schema;
