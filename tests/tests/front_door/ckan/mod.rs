//! CKAN's API (ckan.md): stories, permissions, other dialects, files, the loader, many at once.

mod across;
mod datastore;
mod files;
mod loader;
mod many;
mod permission;
mod stories;
