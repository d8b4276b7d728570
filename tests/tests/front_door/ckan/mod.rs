//! CKAN's API (ckan.md): stories, permissions, other dialects, files, several tables, the loader, many at once.

mod across;
mod datastore;
mod files;
pub(crate) mod loader;
mod many;
mod permission;
mod stories;
mod tables;
