//! Triggers (dataflow.md 3.4).

use axum::{Json, extract::State, http::StatusCode};
use madang_kit::{Result, rpc, time};
use madang_proto::pipeline::v1::{
    CreateTriggerRequest, DeleteTriggerRequest, GetTriggerRequest, Interval, ListTriggersRequest, Trigger, TriggerRule, TriggerRuleType,
    TriggerType,
};
use serde_json::Value;

use super::{
    call::{Call, JsonCall, Path, Query, id},
    error::FlowError,
    wire::{self, Object, PageQuery},
};
use crate::{Gateway, dialect::fields::Fields};

const TYPES: [(TriggerType, &str); 3] = [(TriggerType::Scheduled, "SCHEDULED"), (TriggerType::Event, "EVENT"), (TriggerType::None, "NONE")];
const RULES: [(TriggerRuleType, &str); 3] =
    [(TriggerRuleType::Recurring, "RECURRING"), (TriggerRuleType::OneTime, "ONE_TIME"), (TriggerRuleType::None, "NONE")];
const INTERVALS: [(Interval, &str); 4] =
    [(Interval::Hour, "HOUR"), (Interval::Day, "DAY"), (Interval::Week, "WEEK"), (Interval::Month, "MONTH")];
const DAYS: [&str; 7] = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];
/// Members of a rule.
const ENTRIES: usize = 100;

/// `POST /triggers` createTrigger
pub(crate) async fn create(State(gateway): State<Gateway>, call: JsonCall) -> Result<(StatusCode, Json<Value>), FlowError> {
    let mut fields = call.fields;
    let name = fields.text("name");
    let kind = choose(&mut fields, "type", &TYPES).unwrap_or_default();
    let rule = if let Some(mut inner) = fields.inner("triggerRule", ENTRIES) {
        let rule = read_rule(&mut inner);
        fields.absorb(inner);
        Some(rule)
    } else {
        fields.problem("triggerRule", "missing", "must be an object");
        None
    };
    fields.finish()?;
    let request = CreateTriggerRequest { name, r#type: kind.into(), rule };
    let made = gateway.triggers.clone().create_trigger(rpc::request(&call.context, request)).await?.into_inner();
    Ok((StatusCode::CREATED, Json(shape(&made).done())))
}

/// `GET /triggers/{triggerId}` getTriggerById
pub(crate) async fn show(State(gateway): State<Gateway>, Path(trigger): Path<String>, call: Call) -> Result<Json<Value>, FlowError> {
    let request = GetTriggerRequest { trigger_id: id("trigger_id", &trigger)? };
    Ok(Json(shape(&gateway.triggers.clone().get_trigger(rpc::request(&call.context, request)).await?.into_inner()).done()))
}

/// `GET /triggers` getTriggers
pub(crate) async fn list(State(gateway): State<Gateway>, Query(query): Query<PageQuery>, call: Call) -> Result<Json<Value>, FlowError> {
    let page = query.page()?;
    let request = ListTriggersRequest { name: query.name, page: Some(page) };
    let found = gateway.triggers.clone().list_triggers(rpc::request(&call.context, request)).await?.into_inner();
    let item = |trigger: &Trigger| shape(trigger).with("resourceId", trigger.id.clone()).with("disabled", false).done();
    Ok(Json(wire::list(&found.triggers.iter().map(item).collect::<Vec<_>>(), found.count, &page)))
}

/// `DELETE /triggers/{triggerId}` deleteTrigger
pub(crate) async fn delete(State(gateway): State<Gateway>, Path(trigger): Path<String>, call: Call) -> Result<Json<bool>, FlowError> {
    let request = DeleteTriggerRequest { trigger_id: id("trigger_id", &trigger)? };
    gateway.triggers.clone().delete_trigger(rpc::request(&call.context, request)).await?;
    Ok(Json(true))
}

/// The word for a rule's type, if it has one.
pub(super) fn rule_word(rule: TriggerRuleType) -> Option<&'static str> {
    word(rule, &RULES)
}

fn word<T: PartialEq + Copy>(value: T, words: &[(T, &'static str)]) -> Option<&'static str> {
    words.iter().find(|row| row.0 == value).map(|row| row.1)
}

/// One of these words, which must be there.
fn choose<T: Copy>(fields: &mut Fields, name: &str, words: &[(T, &str)]) -> Option<T> {
    let given = fields.text(name);
    let chosen = words.iter().find(|row| row.1 == given).map(|row| row.0);
    if chosen.is_none() && !given.is_empty() {
        let all: Vec<&str> = words.iter().map(|row| row.1).collect();
        fields.problem(name, "choice", &format!("must be one of {}", all.join(", ")));
    }
    chosen
}

/// Reads what the rule's kind has; the rest is left aside.
fn read_rule(fields: &mut Fields) -> TriggerRule {
    let kind = choose(fields, "type", &RULES).unwrap_or_default();
    let mut rule = TriggerRule { r#type: kind.into(), ..TriggerRule::default() };
    match kind {
        TriggerRuleType::Recurring => read_recurring(fields, &mut rule),
        TriggerRuleType::OneTime => {
            let text = fields.text("executionDate");
            match wire::read_date("executionDate", &text) {
                Ok(at) => rule.at = Some(time::wire(at)),
                Err(_) if text.is_empty() => {}
                Err(_) => fields.problem("executionDate", "date", "must be a time such as 2026-03-01T10:00:00"),
            }
        }
        TriggerRuleType::None | TriggerRuleType::Unspecified => {}
    }
    rule
}

fn read_recurring(fields: &mut Fields, rule: &mut TriggerRule) {
    let interval = choose(fields, "interval", &INTERVALS).unwrap_or_default();
    rule.interval = interval.into();
    match read_time(fields.take("time"), interval) {
        Some((hour, minute)) => (rule.hour, rule.minute) = (hour, minute),
        None if interval == Interval::Hour => fields.problem("time", "pattern", "must be a minute 00 to 59"),
        None => fields.problem("time", "pattern", "must be a time 00:00 to 23:59"),
    }
    if interval == Interval::Week {
        match read_days(fields.take("dayOfWeek")) {
            Some(days) => rule.days_of_week = days,
            None => fields.problem("dayOfWeek", "choice", "must name one or more of MONDAY to SUNDAY"),
        }
    }
    if interval == Interval::Month {
        match fields.take("dateOfMonth").and_then(|value| read_number(&value)) {
            Some(day) => rule.day_of_month = day,
            None => fields.problem("dateOfMonth", "range", "must be 1 to 31, or -1 for the last day"),
        }
    }
}

/// `HH:mm`; for HOUR also the minute alone.
fn read_time(value: Option<Value>, interval: Interval) -> Option<(u32, u32)> {
    let text = match value? {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let two = |text: &str| {
        let is_short = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|_| is_short)
    };
    let (hour, minute) = match text.split_once(':') {
        Some((hour, minute)) => (two(hour)?, two(minute)?),
        None if interval == Interval::Hour => (0, two(&text)?),
        None => return None,
    };
    let fits = hour <= 23 && minute <= 59 && (interval != Interval::Hour || hour == 0);
    fits.then_some((hour, minute))
}

/// One day or a list of days.
fn read_days(value: Option<Value>) -> Option<Vec<u32>> {
    let names = match value? {
        Value::Array(names) if names.len() <= DAYS.len() => names,
        one @ Value::String(_) => vec![one],
        _ => return None,
    };
    let day = |name: &Value| DAYS.iter().zip(1..).find(|(day, _)| name.as_str() == Some(day)).map(|(_, number)| number);
    names.iter().map(day).collect::<Option<Vec<u32>>>().filter(|days| !days.is_empty())
}

fn read_number(value: &Value) -> Option<i32> {
    match value {
        Value::Number(number) => number.as_i64()?.try_into().ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn shape(trigger: &Trigger) -> Object {
    Object::default()
        .with("triggerId", trigger.id.clone())
        .with("name", trigger.name.clone())
        .maybe("type", word(trigger.r#type(), &TYPES))
        .maybe("triggerRule", trigger.rule.as_ref().map(write_rule))
        .maybe("createdDate", wire::date(trigger.created_at))
        .maybe("updatedDate", wire::date(trigger.updated_at))
}

/// A rule with the members that its kind has.
fn write_rule(rule: &TriggerRule) -> Value {
    let base = Object::default().maybe("type", word(rule.r#type(), &RULES));
    if rule.r#type() != TriggerRuleType::Recurring {
        return base.maybe("executionDate", wire::date(rule.at)).done();
    }
    let time = match rule.interval() {
        Interval::Hour => format!("{:02}", rule.minute),
        _ => format!("{:02}:{:02}", rule.hour, rule.minute),
    };
    let day = |number: &u32| DAYS.get(usize::try_from(number.saturating_sub(1)).unwrap_or_default()).copied();
    let days: Vec<&str> = rule.days_of_week.iter().filter_map(day).collect();
    let date = Some(rule.day_of_month).filter(|_| rule.interval() == Interval::Month);
    base.maybe("interval", word(rule.interval(), &INTERVALS))
        .with("time", time)
        .maybe("dayOfWeek", Some(days).filter(|days| !days.is_empty()))
        .maybe("dateOfMonth", date.map(|date| date.to_string()))
        .done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_each_of_their_forms() {
        for (text, interval, read) in [
            ("05", Interval::Hour, Some((0, 5))),
            ("5", Interval::Hour, Some((0, 5))),
            ("00:05", Interval::Hour, Some((0, 5))),
            ("60", Interval::Hour, None),
            ("01:05", Interval::Hour, None),
            ("06:30", Interval::Day, Some((6, 30))),
            ("24:00", Interval::Day, None),
            ("6", Interval::Day, None),
            ("+6:30", Interval::Day, None),
        ] {
            assert_eq!(read_time(Some(text.into()), interval), read, "{text}");
        }
        assert_eq!(read_time(Some(Value::from(5)), Interval::Hour), Some((0, 5)));
    }
}
