//! The time, which tests may shift.

use std::{path::PathBuf, sync::Arc};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// Tells the time. With an offset file, the milliseconds in that file are added on every reading
/// (`MADANG_CLOCK_OFFSET_FILE`; refused in production).
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_file: Option<Arc<PathBuf>>,
}

impl Clock {
    /// A clock that adds the offset written in a file.
    pub fn with_offset_file(path: Option<PathBuf>) -> Self {
        Self { offset_file: path.map(Arc::new) }
    }

    /// Now, in UTC, cut to microseconds (PostgreSQL keeps no more).
    pub fn now(&self) -> DateTime<Utc> {
        let shifted = Utc::now().checked_add_signed(self.offset()).unwrap_or(DateTime::<Utc>::MAX_UTC);
        shifted.trunc_subsecs(6)
    }

    /// Now, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.now().timestamp_millis()
    }

    fn offset(&self) -> TimeDelta {
        let Some(path) = &self.offset_file else { return TimeDelta::zero() };
        let text = std::fs::read_to_string(path.as_path()).unwrap_or_default();
        text.trim().parse().ok().and_then(TimeDelta::try_milliseconds).unwrap_or_default()
    }
}
