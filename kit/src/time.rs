//! Times on the wire.

use chrono::{DateTime, Utc};
use prost_types::Timestamp;

/// A time as gRPC carries it.
pub fn wire(time: DateTime<Utc>) -> Timestamp {
    Timestamp { seconds: time.timestamp(), nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default() }
}

/// A time from gRPC; `None` if it is out of range.
pub fn read(time: Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.seconds, time.nanos.try_into().ok()?)
}
