//! Reads what callers want of access keys from JSON.

use chrono::{DateTime, Utc};
use madang_kit::Result;
use serde_json::Value;

use super::access_key::{Change, Limits, Wanted};
use crate::dialect::Fields;

/// Members of a plan that may be there.
const PLAN: usize = 10;

impl Wanted {
    /// What is wanted of a new key.
    pub(crate) fn read(body: &[u8]) -> Result<Self> {
        let mut fields = Fields::read(body)?;
        let wanted = Self {
            user: fields.optional_text("user"),
            space: fields.optional_text("space"),
            access_key: fields.optional_text("access_key"),
            secret_key: fields.optional_text("secret_key").map(Into::into),
            limits: Limits::read(&mut fields),
        };
        finish(fields)?;
        Ok(wanted)
    }
}

impl Change {
    /// What is to change of a key.
    pub(crate) fn read(body: &[u8]) -> Result<Self> {
        let mut fields = Fields::read(body)?;
        let change = Self { state: fields.optional_text("state"), limits: Limits::read(&mut fields) };
        finish(fields)?;
        Ok(change)
    }
}

/// A member that was misspelt must not be a limit less.
fn finish(mut fields: Fields) -> Result<()> {
    fields.no_others();
    fields.finish()
}

impl Limits {
    fn read(fields: &mut Fields) -> Self {
        let expires_at = fields.take("expires_at").map(|value| time(fields, &value));
        let Some(mut plan) = fields.inner("plan", PLAN) else { return Self { expires_at, ..Self::default() } };
        let mut number = |name: &str| plan.take(name).map(|value| whole(&mut plan, name, &value));
        let limits = Self { expires_at, per_second: number("per_second"), per_day: number("per_day"), per_month: number("per_month") };
        plan.no_others();
        fields.absorb(plan);
        limits
    }
}

fn time(fields: &mut Fields, value: &Value) -> Option<DateTime<Utc>> {
    let time = value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map(|time| time.to_utc());
    if time.is_none() && !value.is_null() {
        fields.problem("expires_at", "datetime", "must be a time such as 2027-01-31T09:00:00+09:00, or null for never");
    }
    time
}

fn whole(fields: &mut Fields, name: &str, value: &Value) -> Option<i64> {
    let number = value.as_i64();
    if number.is_none() && !value.is_null() {
        fields.problem(name, "range", "must be a whole number from 1, or null for no limit");
    }
    number
}
