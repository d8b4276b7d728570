//! CKAN's face of the catalogue: the actions of ckan.md section 3 on the same rows that D.Hub sees.
//!
//! [`actions`] is the list of what there is. An [`Act`] is one call of one action: who asks, the dictionary, and where to read; a call
//! that may write has a transaction, in which all of it happens or nothing. Dictionaries in and out, refusals and their texts are
//! CKAN's contract, so they are made here and nowhere else.

mod act;
mod actions;
mod activity;
mod autocomplete;
mod collaborator;
mod datastore;
mod follow;
mod group;
mod license;
pub(crate) mod load;
mod member;
mod option;
mod package;
mod relationship;
mod resource;
mod search;
mod status;
mod tag;
mod task;
mod translation;
mod upload;
mod user;
mod view;
mod vocabulary;

pub(crate) use act::{Act, act};
pub(crate) use resource::linked_url;
pub(crate) use search::{SITE_MARK, marked_dicts};
pub(crate) use upload::{act_with_files, format_of, is_upload};
