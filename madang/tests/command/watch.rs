//! A clock in our hand (`MADANG_CLOCK_OFFSET_FILE`): it stands where it is put, and runs on from there.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// The clock of the hubs that know its file.
#[derive(Clone)]
pub(crate) struct Watch(PathBuf);

impl Watch {
    /// One that tells the machine's time until it is set.
    pub(crate) fn new(file: PathBuf) -> Self {
        Self(file)
    }

    /// Sets it, in milliseconds since 1970.
    pub(crate) fn set(&self, milliseconds: i64) {
        let new = self.0.with_extension("new");
        fs::write(&new, (milliseconds - machine()).to_string()).expect("the offset");
        fs::rename(&new, &self.0).expect("the offset"); // never half written
    }

    /// What it tells, in milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        machine() + fs::read_to_string(&self.0).map_or(0, |text| text.parse::<i64>().expect("the offset"))
    }

    /// Moves it on.
    pub(crate) fn forward(&self, milliseconds: i64) {
        self.set(self.now() + milliseconds);
    }

    /// The variable that a hub knows it by.
    pub(crate) fn variable(&self) -> (String, String) {
        ("MADANG_CLOCK_OFFSET_FILE".to_owned(), Path::display(&self.0).to_string())
    }
}

fn machine() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    i64::try_from(now).expect("before the year 292278994")
}
