//! A hub's clock in our hand: it stands where it is put, and runs on from there.

use std::{
    fs,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::hub::{Hub, Place};

/// The clock of every hub of a place.
pub(crate) struct Watch {
    pub(crate) place: Place,
    file: PathBuf,
}

impl Watch {
    /// In a place of its own, at these milliseconds since 1970.
    pub(crate) fn at(milliseconds: i64) -> Self {
        Self::in_place(Place::new(), milliseconds)
    }

    pub(crate) fn in_place(place: Place, milliseconds: i64) -> Self {
        let watch = Self { file: place.path("offset"), place };
        watch.set(milliseconds);
        watch
    }

    pub(crate) fn set(&self, milliseconds: i64) {
        let new = self.file.with_extension("new");
        fs::write(&new, (milliseconds - real()).to_string()).expect("the offset");
        fs::rename(&new, &self.file).expect("the offset"); // never half written
    }

    /// What it shows.
    pub(crate) fn now(&self) -> i64 {
        let offset: i64 = fs::read_to_string(&self.file).expect("the offset").trim().parse().expect("a number");
        real() + offset
    }

    /// The setting of programs that go by it.
    pub(crate) fn variable(&self) -> (&'static str, String) {
        ("MADANG_CLOCK_OFFSET_FILE", self.file.display().to_string())
    }

    pub(crate) async fn up(&self) -> Hub {
        let (name, value) = self.variable();
        self.place.up_with(&[], &[(name, value.as_str())]).await
    }
}

fn real() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    i64::try_from(now).expect("before the year 292278994")
}
