//! The catalogue's actions, as another service of the house calls them.

use madang_proto::catalog::v1::{ActRequest, ActionRefusalKind, act_response::Outcome, actions_client::ActionsClient};
use serde_json::{Map, Value};

use crate::{
    Code, Context, Error, Result,
    error::FieldProblem,
    rpc::{self, Channel},
};

/// The largest answer, in bytes.
const ANSWER_BYTES: usize = 32 << 20;

/// A client of the catalogue's actions.
#[derive(Clone)]
pub struct Actions(ActionsClient<Channel>);

impl Actions {
    /// By a way to the catalogue.
    pub fn new(channel: Channel) -> Self {
        Self(ActionsClient::new(channel).max_decoding_message_size(ANSWER_BYTES))
    }

    /// Does an action of the catalogue and gives its answer.
    ///
    /// # Errors
    /// [`Code::NotFound`], [`Code::Denied`], or [`Code::Invalid`] with the fields that break a rule.
    pub async fn act(&self, context: &Context, action: &str, dict: &Value) -> Result<Value> {
        let reads = action.ends_with("_show");
        let dict = serde_json::to_vec(dict).map_err(Error::internal)?;
        let request = ActRequest { action: action.to_owned(), dict: dict.into(), site_url: String::new(), reads };
        let answer = self.0.clone().act(rpc::request(context, request)).await?.into_inner();
        match answer.outcome {
            Some(Outcome::Result(result)) => serde_json::from_slice(&result).map_err(Error::internal),
            Some(Outcome::Refusal(refusal)) => {
                let code = match refusal.kind() {
                    ActionRefusalKind::NotFound => Code::NotFound,
                    ActionRefusalKind::Denied => Code::Denied,
                    ActionRefusalKind::Validation => Code::Invalid,
                    _ => return Err(Error::internal(format!("the catalogue refused {action}: {}", refusal.detail))),
                };
                let fields: Map<String, Value> = serde_json::from_slice(&refusal.fields).unwrap_or_default();
                let problem =
                    |(field, message): (String, Value)| FieldProblem { field, rule: "rule".to_owned(), message: message.to_string() };
                let fields: Vec<FieldProblem> = fields.into_iter().map(problem).collect();
                let told: Vec<String> = fields.iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect();
                let message = format!("the catalogue refused {action}: {} {}", refusal.detail, told.join(", "));
                Err(Error { code, message, fields, cause: None })
            }
            None => Err(Error::internal("the catalogue answered nothing")),
        }
    }
}
