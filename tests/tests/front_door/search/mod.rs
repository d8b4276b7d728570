//! Searches (ckan.md 5): what is found, what is hidden, feeds, and the hub's own search.

mod feed;
mod hidden;
mod own;
mod queries;
mod writer;
