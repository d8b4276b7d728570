//! The dictionary of a Validation Error in the making (ckan.md 1.5).

use serde_json::{Value, json};

use super::{Dict, Outcome, Refusal};

/// Messages by field, in the order in which rules were broken.
#[derive(Clone, Debug, Default)]
pub struct Problems(Dict);

impl Problems {
    /// A field breaks a rule.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        let message = Value::from(message.into());
        match self.0.get_mut(field) {
            Some(Value::Array(list)) => list.push(message),
            _ => {
                self.0.insert(field.to_owned(), Value::Array(vec![message]));
            }
        }
    }

    /// Several rules of one field.
    pub fn extend<T: Into<String>>(&mut self, field: &str, messages: impl IntoIterator<Item = T>) {
        for message in messages {
            self.add(field, message);
        }
    }

    /// The problems of a list of dictionaries: as long as the last bad one, `{}` for good ones.
    pub fn nested(&mut self, field: &str, items: Vec<Self>) {
        let Some(worst) = items.iter().rposition(|item| !item.0.is_empty()) else { return };
        let list: Vec<Value> = items.into_iter().take(worst + 1).map(|item| Value::Object(item.0)).collect();
        self.0.insert(field.to_owned(), json!(list));
    }

    /// A list of a form of its own.
    pub fn nested_values(&mut self, field: &str, values: Vec<Value>) {
        self.0.insert(field.to_owned(), Value::Array(values));
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this field has a problem.
    pub fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// The fields of the dictionary.
    pub fn into_dict(self) -> Dict {
        self.0
    }

    /// Refuses if anything is wrong.
    ///
    /// # Errors
    /// [`Refusal::Validation`].
    pub fn finish(self) -> Outcome<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Refusal::Validation(self.0)) }
    }
}
