//! `/r/{serial}`: what respondents see (dataspace.md section 11).
//!
//! A page is whole when it leaves here and works without script. Since a question may depend on an earlier one, a survey is cut into *steps*
//! (`sheet.rs`): without script a respondent goes from one to the next, and what he answered before lies in the sheet's draft. The script
//! (`script.js`) lays all steps out at once and shows and hides their questions itself; what it sends is the same form.
//!
//! The form carries the sheet's token. Whoever posts knows it, so a page of somebody else's that makes a browser post here achieves nothing:
//! the cookie, which a browser would send along, only serves to find the sheet again after a reload and is not looked at when a form comes.

mod asset;
mod choice;
mod cookie;
mod document;
mod form;
mod post;
mod question;
mod refused;
mod sheet;
mod show;
mod values;
mod words;

pub(super) use self::{
    asset::{script, style},
    post::post,
    show::{show, thanks},
};
