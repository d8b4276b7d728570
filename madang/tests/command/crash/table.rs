//! A table under fire: its writers, and the look at it after a kill.

use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};

use futures::future::join_all;
use reqwest::{
    header::HeaderMap,
    multipart::{Form, Part},
};
use serde_json::Value;

use super::{
    book::{Book, Figures, Outcome},
    work::{Kind, Plan, Upload},
};
use crate::hub::{Hub, json_of};

/// A dataset with what is known of it.
pub(crate) struct Table {
    dataset: String,
    plan: &'static Plan,
    book: Mutex<Book>,
}

/// A version after the first.
#[derive(Debug)]
struct Version {
    number: u64,
    /// Made by an upload; else the files were only put together.
    writes: bool,
}

static NUMBERS: AtomicU64 = AtomicU64::new(1);

impl Table {
    pub(crate) async fn new(hub: &Hub, admin: &HeaderMap, plan: &'static Plan) -> Self {
        Self { dataset: hub.dataset(admin).await, plan, book: Mutex::default() }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("a lock")
    }

    /// Uploads from all writers until the hub is gone.
    pub(crate) async fn write(&self, hub: &Hub, admin: &HeaderMap) {
        let writers = self.plan.writers.iter().map(|kind| async { while self.upload(hub, admin, *kind).await {} });
        join_all(writers).await;
    }

    /// One upload; false if the hub did not answer.
    async fn upload(&self, hub: &Hub, admin: &HeaderMap, kind: Kind) -> bool {
        let upload = Upload { number: NUMBERS.fetch_add(1, Ordering::Relaxed), kind };
        self.book().send(upload);
        let file = |text: String| Part::text(text).file_name("a.csv");
        let form = upload.files().into_iter().fold(Form::new(), |form, text| form.part("files", file(text)));
        let target = format!("/api/v1/tables/{}/upload?{}", self.dataset, upload.query());
        let Ok(response) = hub.post(&target).headers(admin.clone()).multipart(form).send().await else { return false };
        let status = response.status();
        // The status alone acknowledges: whoever has read it may rely on it.
        self.book().answer(upload.number, if status.is_success() { Outcome::Acknowledged } else { Outcome::Gone });
        assert!(status.is_success() || status.as_u16() == 409, "{:?}", response.text().await);
        true
    }

    /// That the hub takes rows: one upload of each writer's kind must be acknowledged.
    pub(crate) async fn takes_rows(&self, hub: &Hub, admin: &HeaderMap) {
        for kind in self.plan.writers {
            assert!(self.upload(hub, admin, *kind).await, "it does not answer");
        }
    }

    /// Reads it and compares it with what is known.
    pub(crate) async fn look(&self, hub: &Hub, admin: &HeaderMap, figures: &mut Figures) {
        let seen = self.book().version;
        let new = self.versions_after(hub, admin, seen).await;
        if let Some((newest, earlier)) = new.split_last() {
            let mut writes = 0;
            for version in earlier {
                writes += usize::from(version.writes);
                if self.plan.every_version {
                    let rows = self.rows(hub, admin, &format!("version={}", version.number)).await;
                    self.book().look(version.number, writes, &rows);
                    writes = 0;
                }
            }
            let rows = self.rows(hub, admin, "page=1").await;
            self.book().look(newest.number, writes + usize::from(newest.writes), &rows);
        }
        figures.versions += new.len();
        figures.compactions += new.iter().filter(|version| !version.writes).count();
        self.book().close(figures);
    }

    /// Those later than one, oldest first; they follow each other without a gap. Version 0 made the table, empty.
    async fn versions_after(&self, hub: &Hub, admin: &HeaderMap, seen: u64) -> Vec<Version> {
        let list = json_of(hub.get(&format!("/api/v1/tables/{}/versions", self.dataset)).headers(admin.clone())).await;
        let list: Vec<Value> = serde_json::from_value(list).expect("a list");
        let read =
            |entry: &Value| Version { number: entry["version"].as_u64().expect("a number"), writes: entry["operation"] != "OPTIMIZE" };
        let mut all: Vec<Version> = list.iter().map(read).collect();
        all.reverse();
        assert!(all.windows(2).all(|pair| pair[0].number + 1 == pair[1].number), "a gap: {all:?}");
        assert!(all.len() == 1_000 || all.first().is_none_or(|first| first.number == 0), "the first is missing: {all:?}");
        let newest = all.last().map_or(0, |last| last.number);
        assert!(newest >= seen, "version {newest} after {seen}");
        all.retain(|version| version.number > seen);
        all
    }

    async fn rows(&self, hub: &Hub, admin: &HeaderMap, query: &str) -> Vec<(u64, u64)> {
        let target = format!("/api/v1/tables/{}?page_size=10000&{query}", self.dataset);
        let page = json_of(hub.get(&target).headers(admin.clone())).await;
        let rows: Vec<(u64, u64)> = serde_json::from_value(page["data"].clone()).expect("rows");
        assert_eq!(page["total_rows"], rows.len(), "{target}");
        rows
    }

    pub(crate) fn count(&self, figures: &mut Figures) {
        self.book().count(figures);
    }
}
