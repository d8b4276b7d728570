//! Texts that are kept for a while, in a room of fixed size that is divided fairly.
//!
//! If the room is full, the group that holds the most bytes loses its oldest text. So a flood from one place drowns itself: whoever
//! brought little keeps it. Strangers, of whom there can be any number, have a room apart.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::Group;

/// Bytes in each of the two rooms.
const ROOM_BYTES: usize = 16 << 20;
/// Texts of one group.
const PER_GROUP: usize = 100;
/// What keeping a text costs beside its bytes.
const OVERHEAD: usize = 400;

/// The two rooms.
#[derive(Default)]
pub(super) struct Drawers {
    known: Mutex<Room>,
    strangers: Mutex<Room>,
}

#[derive(Default)]
struct Room {
    /// By age; numbers are given one after another.
    texts: BTreeMap<u64, Text>,
    numbers: HashMap<String, u64>,
    groups: HashMap<Group, Held>,
    /// Groups by the bytes that they hold; of equal ones the last is the one with the oldest text.
    by_size: BTreeSet<(usize, Reverse<u64>, Group)>,
    bytes: usize,
    next: u64,
}

struct Text {
    name: String,
    group: Group,
    content: String,
    until: Instant,
}

#[derive(Default)]
struct Held {
    numbers: BTreeSet<u64>,
    bytes: usize,
}

impl Drawers {
    pub(super) fn keep(&self, group: Group, name: &str, text: String, time: Duration) {
        let room = if group.owner.is_some() { &self.known } else { &self.strangers };
        let now = Instant::now();
        let text = Text { name: name.to_owned(), group, content: text, until: now + time };
        room.lock().unwrap_or_else(PoisonError::into_inner).keep(text, now);
    }

    pub(super) fn kept(&self, name: &str) -> Option<String> {
        let look = |room: &Mutex<Room>| room.lock().unwrap_or_else(PoisonError::into_inner).kept(name, Instant::now());
        look(&self.known).or_else(|| look(&self.strangers))
    }
}

impl Room {
    fn keep(&mut self, text: Text, now: Instant) {
        while let Some((&oldest, _)) = self.texts.first_key_value().filter(|(_, text)| text.until <= now) {
            self.remove(oldest);
        }
        let (number, group, bytes) = (self.next, text.group.clone(), text.bytes());
        self.next += 1;
        self.numbers.insert(text.name.clone(), number);
        self.texts.insert(number, text);
        self.change(&group, |held| {
            held.numbers.insert(number);
            held.bytes += bytes;
        });
        self.bytes += bytes;
        let own = self.groups.get(&group).filter(|held| held.numbers.len() > PER_GROUP).and_then(|held| held.numbers.first().copied());
        if let Some(oldest) = own {
            self.remove(oldest);
        }
        while self.bytes > ROOM_BYTES {
            let Some((_, _, largest)) = self.by_size.last() else { return };
            let Some(oldest) = self.groups.get(largest).and_then(|held| held.numbers.first().copied()) else { return };
            self.remove(oldest);
        }
    }

    fn kept(&self, name: &str, now: Instant) -> Option<String> {
        let text = self.texts.get(self.numbers.get(name)?)?;
        (text.until > now).then(|| text.content.clone())
    }

    fn remove(&mut self, number: u64) {
        let Some(text) = self.texts.remove(&number) else { return };
        let bytes = text.bytes();
        self.numbers.remove(&text.name);
        self.bytes -= bytes;
        self.change(&text.group, |held| {
            held.numbers.remove(&number);
            held.bytes -= bytes;
        });
    }

    /// Changes what a group holds, and its place among the groups.
    fn change(&mut self, group: &Group, change: impl FnOnce(&mut Held)) {
        let mut held = self.groups.remove(group).unwrap_or_default();
        let place = |held: &Held| Some((held.bytes, Reverse(*held.numbers.first()?), group.clone()));
        if let Some(place) = place(&held) {
            self.by_size.remove(&place);
        }
        change(&mut held);
        if let Some(place) = place(&held) {
            self.by_size.insert(place);
            self.groups.insert(group.clone(), held);
        }
    }
}

impl Text {
    fn bytes(&self) -> usize {
        self.content.len() + OVERHEAD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_mins(15);

    fn group(owner: Option<&str>, source: &str) -> Group {
        Group { owner: owner.map(str::to_owned), source: source.to_owned() }
    }

    fn sizes(drawers: &Drawers) -> [usize; 2] {
        [&drawers.known, &drawers.strangers].map(|room| room.lock().expect("a room").bytes)
    }

    #[test]
    fn a_flood_drowns_itself_alone() {
        let drawers = Drawers::default();
        drawers.keep(group(Some("mine"), "home"), "mine", "m".repeat(1_000), TIME);
        drawers.keep(group(None, "somebody"), "strange", "s".repeat(1_000), TIME);
        let mut number = 0;
        for source in 0..500 {
            for owner in [Some("mine"), None] {
                for _ in 0..4 {
                    number += 1;
                    drawers.keep(group(owner, &format!("place {source}")), &format!("flood {number}"), "f".repeat(50_000), TIME);
                }
            }
        }
        assert_eq!(drawers.kept("mine").map(|text| text.len()), Some(1_000));
        assert_eq!(drawers.kept("strange").map(|text| text.len()), Some(1_000));
        assert!(drawers.kept(&format!("flood {number}")).is_some(), "the last one is there");
        assert!(drawers.kept("flood 1").is_none());
        assert!(sizes(&drawers).iter().all(|bytes| (ROOM_BYTES / 2..=ROOM_BYTES).contains(bytes)), "{:?}", sizes(&drawers));
    }

    #[test]
    fn a_group_holds_only_so_many() {
        let drawers = Drawers::default();
        for number in 0..250 {
            drawers.keep(group(Some("a"), "b"), &number.to_string(), "x".to_owned(), TIME);
        }
        let kept = (0..250).filter(|number| drawers.kept(&number.to_string()).is_some());
        assert_eq!(kept.collect::<Vec<_>>(), (150..250).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_outlives_its_time() {
        let drawers = Drawers::default();
        drawers.keep(group(None, "b"), "old", "x".repeat(100), Duration::ZERO);
        assert_eq!(drawers.kept("old"), None);
        drawers.keep(group(None, "b"), "new", String::new(), TIME);
        assert_eq!(sizes(&drawers), [0, OVERHEAD], "what is over is removed");
    }
}
