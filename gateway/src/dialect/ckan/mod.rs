//! CKAN's Action API (ckan.md): what an action means is the catalogue's; here is its HTTP, its envelope, and the users' own secrets.

pub(crate) mod action;
mod answer;
mod body;
mod call;
mod cors;
mod download;
mod dump;
mod feed;
mod files;
mod person;
mod repr;
pub(super) mod routes;
mod token;
mod util;
