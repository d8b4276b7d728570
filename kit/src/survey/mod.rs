//! What the gateway and survey-svc both need of a survey: its definition, its answers, and how personal values are masked.
//!
//! A definition and the answers of a sheet are documents: authored as JSON, kept as JSON, imported and exported as JSON. Their one
//! reading stands here (dataspace.md sections 4 and 8); gRPC carries the texts.

mod answer;
mod check;
mod definition;
mod judge;
pub mod mask;
pub mod role;
mod words;

pub use self::{
    answer::{Answer, MAX_ANSWER_BYTES, Picked, RowPick, TEXT_CHARS, read as read_answers},
    check::RESERVED_KEY,
    definition::{Choice, Definition, Kind, Language, Parameter, PersonalField, Question, Row, ShowIf},
    judge::{Filled, fill, is_shown, judge_one},
    words::plain_text,
};
