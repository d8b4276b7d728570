//! A survey as its author wrote it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::{Error, Result};

/// A survey's whole definition (dataspace.md section 4, and `required` and `showIf` of section 11).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Definition {
    /// 1 to 200 characters.
    pub title: String,
    /// In order; ranks are 1, 2, 3, ….
    #[serde(default)]
    pub questions: Vec<Question>,
    /// What links may carry.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// Of the respondents' pages.
    #[serde(default)]
    pub language: Language,
    /// Whether a `uid` answers at most once.
    #[serde(default)]
    pub one_response_per_uid: bool,
}

/// A language of the respondents' pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Korean.
    #[default]
    Ko,
    /// English.
    En,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// 1-based; what the author gives must be the position.
    #[serde(default)]
    pub rank: u32,
    /// What kind of answer it takes.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// HTML.
    pub text: String,
    /// What can be chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<Choice>,
    /// Of a matrix: what is judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Row>,
    /// Fewest options of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_selection: Option<u32>,
    /// Most options of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_selection: Option<u32>,
    /// Smallest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_value: Option<Number>,
    /// Largest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_value: Option<Number>,
    /// What the smallest number means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_label: Option<String>,
    /// What the largest number means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_label: Option<String>,
    /// Most characters of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// Of a number: `원`, `kg`, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Of personal information: what is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<PersonalField>,
    /// Of personal information: what the respondent agrees to, as HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<String>,
    /// Whether an answer must be there if the question is shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// When it is shown; absent = always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show_if: Option<ShowIf>,
}

/// A question's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the table of dataspace.md section 4")]
pub enum Kind {
    SingleChoice,
    MultipleChoice,
    Dropdown,
    Ranking,
    Scale,
    Nps,
    MatrixSingle,
    MatrixMultiple,
    ShortText,
    LongText,
    Number,
    Date,
    PersonalInfo,
    Description,
}

/// An option of a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Choice {
    /// 1-based.
    #[serde(default)]
    pub rank: u32,
    /// HTML.
    pub text: String,
    /// Whether the respondent writes what it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_other: bool,
    /// Whether it excludes every other option.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_exclusive: bool,
}

/// A row of a matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Row {
    /// 1-based.
    #[serde(default)]
    pub rank: u32,
    /// HTML.
    pub text: String,
}

/// What personal information asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum PersonalField {
    Name,
    Cellphone,
    Email,
    Address,
    BirthDate,
}

/// A parameter that links may carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parameter {
    /// Letters, digits, `-` and `_`; different from others without regard to case.
    pub key: String,
    /// What it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// When a question is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ShowIf {
    /// The link had this value.
    #[serde(rename_all = "camelCase")]
    Parameter {
        /// A declared key.
        parameter: String,
        /// The value, exactly.
        equals: String,
    },
    /// An earlier question was answered so.
    #[serde(rename_all = "camelCase")]
    Option {
        /// An earlier question with options.
        question_rank: u32,
        /// One of its options.
        option_rank: u32,
    },
}

impl PersonalField {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Cellphone => "cellphone",
            Self::Email => "email",
            Self::Address => "address",
            Self::BirthDate => "birthDate",
        }
    }

    /// The field of a name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Name, Self::Cellphone, Self::Email, Self::Address, Self::BirthDate].into_iter().find(|field| field.name() == name)
    }
}

impl Kind {
    /// Whether answers pick options of the question itself.
    pub fn picks(self) -> bool {
        matches!(self, Self::SingleChoice | Self::MultipleChoice | Self::Dropdown | Self::Ranking)
    }

    /// Whether answers pick options in rows.
    pub fn is_matrix(self) -> bool {
        matches!(self, Self::MatrixSingle | Self::MatrixMultiple)
    }

    /// Whether an answer has one option at most, in each row if it is a matrix.
    pub fn is_single(self) -> bool {
        matches!(self, Self::SingleChoice | Self::Dropdown | Self::MatrixSingle)
    }
}

impl Question {
    /// The numbers that an answer lies between, if they are said or fixed.
    pub fn range(&self) -> (Option<f64>, Option<f64>) {
        match self.kind {
            Kind::Nps => (Some(0.0), Some(10.0)),
            _ => (self.min_value.as_ref().and_then(Number::as_f64), self.max_value.as_ref().and_then(Number::as_f64)),
        }
    }
}

impl Definition {
    /// Reads what an author sent; every problem found names its field.
    ///
    /// # Errors
    /// [`crate::Code::Invalid`].
    pub fn read(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).map_err(|error| Error::invalid("body", "json", format!("not JSON: {error}")))?;
        let Value::Object(mut object) = value else {
            return Err(Error::invalid("body", "json_type", "the body must be a JSON object"));
        };
        let questions = list(&mut object, "questions")?;
        let parameters = list(&mut object, "parameters")?;
        object.retain(|key, _| matches!(key.as_str(), "title" | "language" | "oneResponsePerUid"));
        object.entry("title").or_insert_with(|| Value::String(String::new()));
        let mut definition: Self =
            serde_json::from_value(Value::Object(object)).map_err(|error| Error::invalid("body", "form", error.to_string()))?;
        definition.questions = entries("questions", questions)?;
        definition.parameters = entries("parameters", parameters)?;
        definition.number();
        super::check::check(&definition)?;
        Ok(definition)
    }

    /// Reads what was checked when it was stored.
    ///
    /// # Errors
    /// [`crate::Code::Internal`].
    pub fn stored(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(Error::internal)
    }

    /// The text to store.
    pub fn text(&self) -> Result<String> {
        serde_json::to_string(self).map_err(Error::internal)
    }

    /// A question by its rank.
    pub fn question(&self, rank: u32) -> Option<&Question> {
        usize::try_from(rank.checked_sub(1)?).ok().and_then(|index| self.questions.get(index))
    }

    /// Ranks that the author left out are positions.
    fn number(&mut self) {
        for (question, position) in self.questions.iter_mut().zip(1..) {
            absent(&mut question.rank, position);
            question.options.iter_mut().zip(1..).for_each(|(option, position)| absent(&mut option.rank, position));
            question.rows.iter_mut().zip(1..).for_each(|(row, position)| absent(&mut row.rank, position));
        }
    }
}

fn absent(rank: &mut u32, position: u32) {
    if *rank == 0 {
        *rank = position;
    }
}

fn list(object: &mut Map<String, Value>, name: &str) -> Result<Vec<Value>> {
    match object.remove(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(Error::invalid(name, "list_type", format!("{name} must be a list"))),
    }
}

fn entries<T: serde::de::DeserializeOwned>(name: &str, list: Vec<Value>) -> Result<Vec<T>> {
    let read = list.into_iter().enumerate().map(|(index, value)| {
        let at = format!("{name}.{index}");
        serde_json::from_value(value).map_err(|error| Error::invalid(at.clone(), "form", format!("{at}: {error}")))
    });
    read.collect()
}
