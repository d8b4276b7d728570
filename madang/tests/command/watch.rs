//! A clock in our hand (`MADANG_CLOCK_OFFSET_FILE`): it stands where it is put, and runs on from there.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::hub::{Hub, Place};

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

/// A place whose hubs all have one clock.
pub(crate) struct Yard {
    pub(crate) place: Place,
    pub(crate) watch: Watch,
}

impl Yard {
    /// In a place of its own, at these milliseconds since 1970.
    pub(crate) fn at(milliseconds: i64) -> Self {
        Self::in_place(Place::new(), milliseconds)
    }

    pub(crate) fn in_place(place: Place, milliseconds: i64) -> Self {
        let house = Self { watch: Watch::new(place.path("offset")), place };
        house.set(milliseconds);
        house
    }

    pub(crate) fn set(&self, milliseconds: i64) {
        self.watch.set(milliseconds);
    }

    pub(crate) fn now(&self) -> i64 {
        self.watch.now()
    }

    pub(crate) async fn up(&self) -> Hub {
        let (name, file) = self.watch.variable();
        self.place.up_with(&[], &[(&name, &file)]).await
    }
}

fn machine() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    i64::try_from(now).expect("before the year 292278994")
}
