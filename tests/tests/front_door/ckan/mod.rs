//! CKAN's API (ckan.md): stories, permissions, other dialects, many at once.

mod across;
mod datastore;
mod many;
mod permission;
mod stories;
