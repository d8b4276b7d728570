//! Many slots of schedules that are due within one minute, two pipeline processes on one PostgreSQL, one of which is killed now and
//! then: each slot becomes one execution record.
//!
//! A few here; `cargo xtask prove schedules` makes 10,000 of them (`SLOTS`) and keeps the figures.
#![allow(clippy::print_stdout, reason = "figures are for the person who runs the tests")]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::TcpListener,
    process::Stdio,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::{BEGIN, Client, HOUR, SECOND, chain, iso};
use crate::{
    databases::Databases,
    dice::Dice,
    hub::{Place, value},
    program::madang,
    proof::tell,
    watch::Yard,
};

/// Requests at the same time.
const AT_ONCE: usize = 8;
/// Slots for each job, and how many of its executions may be at work: the rest is recorded as failed.
const SLOTS_OF_JOB: usize = 100;
const RUNS: u32 = 4;
/// Seconds over which the slots are spread; fewer in the short form.
const MINUTE: u16 = 60;
const MOMENT: u16 = 8;
/// How long the last slot may take to become a record.
const WITHIN: Duration = Duration::from_mins(10);
const READY_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_of_a_minute_become_one_record_each() {
    let Some(databases) = Databases::new().await else { return };
    let (slots, seconds) = std::env::var("SLOTS").map_or((300, MOMENT), |text| (text.parse().expect("SLOTS is a number"), MINUTE));
    let watch = Yard::in_place(Place::with(databases.variables()), BEGIN);
    House::open(&watch, seconds).await.run(slots).await;
    databases.remove().await;
}

/// A gateway, a catalogue and two pipeline processes.
struct House<'a> {
    watch: &'a Yard,
    /// Over which the slots are spread.
    seconds: u16,
    ports: Ports,
    client: Client,
    pipelines: [Child; 2],
    _others: [Child; 2],
}

#[derive(Clone, Copy)]
struct Ports {
    catalog: u16,
    /// The gateway knows the first.
    pipelines: [u16; 2],
}

impl<'a> House<'a> {
    async fn open(watch: &'a Yard, seconds: u16) -> Self {
        for folder in ["data", "data1"] {
            fs::create_dir_all(watch.place.path(folder)).expect("a folder");
        }
        let ports = Ports { catalog: free_port(), pipelines: [free_port(), free_port()] };
        let made = command(watch, ports, &["init"], 0).stdout(Stdio::null()).stderr(Stdio::null()).status().await;
        assert!(made.expect("the program starts").success());
        let (catalog, _) = serve(watch, ports, "catalog", 0).await;
        let pipelines = [serve(watch, ports, "pipeline", 0).await.0, serve(watch, ports, "pipeline", 1).await.0];
        let (gateway, ready) = serve(watch, ports, "gateway", 0).await;
        let credentials = fs::read_to_string(watch.place.path("data").join("credentials.json")).expect("credentials");
        let client = Client::new(&value(&ready, "http"), &serde_json::from_str(&credentials).expect("JSON"));
        Self { watch, seconds, ports, client, pipelines, _others: [catalog, gateway] }
    }

    async fn run(mut self, slots: usize) {
        let noon = BEGIN + 3 * HOUR - 30 * SECOND;
        let began = Instant::now();
        let jobs = self.prepare(slots, noon).await;
        let saved = began.elapsed();
        self.watch.set(noon - SECOND);
        let began = Instant::now();
        let kills = self.kill_now_and_then().await;
        let took = self.wait(slots, began).await;
        let completed = self.look(&jobs, slots).await;
        let number = jobs.len();
        let (saved, took) = (saved.as_secs_f64(), took.as_secs_f64() - 1.0);
        tell(&format!("{slots} slots within {} seconds, each the start of a workflow of its own, saved in {saved:.0} s", self.seconds));
        tell(&format!("two pipeline processes on one PostgreSQL; {kills} times one of them was killed and came back"));
        tell(&format!("one execution record for each slot: none missing, none twice; the last {took:.0} s after the first slot"));
        tell(&format!(
            "{number} jobs with at most {RUNS} runs at a time: {completed} executions completed, the others were recorded as FAILED, or go on"
        ));
    }

    /// Jobs with their workflows, whose triggers fire from noon on.
    async fn prepare(&self, slots: usize, noon: i64) -> Vec<String> {
        let (client, watch) = (&self.client, self.watch);
        let mut triggers = Vec::new();
        for second in 0..self.seconds {
            let rule = json!({"type": "ONE_TIME", "executionDate": iso(noon + i64::from(second) * SECOND)});
            triggers.push(client.trigger(watch, &format!("at_{second}"), rule).await);
        }
        let jobs = stream::iter(0..slots.div_ceil(SLOTS_OF_JOB));
        let job = |number: usize| async move { client.job(watch, &format!("job_{number}"), false, RUNS).await };
        let jobs: Vec<String> = jobs.map(job).buffered(AT_ONCE).collect().await;
        let body = |slot: usize| chain(&format!("slot_{slot}"), &triggers[slot % triggers.len()], &[&jobs[slot / SLOTS_OF_JOB]]);
        let bodies: Vec<Value> = (0..slots).map(body).collect();
        let save = |body: Value| async move { drop(client.post(watch, "/api/v1/workflows", &body).await) };
        stream::iter(bodies).for_each_concurrent(AT_ONCE, save).await;
        jobs
    }

    /// While slots come, one process or the other is killed at random moments, and comes back soon after.
    async fn kill_now_and_then(&mut self) -> usize {
        let (dice, began) = (Dice::new("slots"), Instant::now());
        let whole = Duration::from_secs(u64::from(self.seconds) + 1);
        let mut kills = 0;
        loop {
            let rest = dice.time_below(whole / 3);
            if began.elapsed() + rest >= whole && kills > 0 {
                tokio::time::sleep(whole.saturating_sub(began.elapsed())).await;
                return kills;
            }
            tokio::time::sleep(rest).await;
            let which = usize::try_from(dice.below(2)).expect("0 or 1");
            self.pipelines[which].kill().await.expect("it ends");
            kills += 1;
            tokio::time::sleep(dice.time_below(Duration::from_secs(2))).await;
            self.pipelines[which] = serve(self.watch, self.ports, "pipeline", which).await.0;
        }
    }

    /// Waits until there are as many records as slots; gives how long that took.
    async fn wait(&self, slots: usize, began: Instant) -> Duration {
        loop {
            let target = "/api/v1/stats/executions?startDate=2026-03-12T11:59:00&endDate=2026-03-12T13:59:00";
            let totals = self.client.get(self.watch, target).await;
            let number = totals["totalCount"].as_u64().and_then(|number| usize::try_from(number).ok()).expect("a number");
            assert!(number <= slots, "{number} records of {slots} slots");
            if number == slots {
                return began.elapsed();
            }
            assert!(began.elapsed() < WITHIN, "{number} records of {slots} slots");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Each workflow has one record, a while later too; gives how many executions have completed.
    async fn look(&self, jobs: &[String], slots: usize) -> usize {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (mut of_workflow, mut completed) = (BTreeMap::<String, usize>::new(), 0);
        for job in jobs {
            let page = self.client.get(self.watch, &format!("/api/v1/jobs/{job}/executions?limit=1000")).await;
            for one in page["list"].as_array().expect("a list") {
                *of_workflow.entry(one["workflowId"].as_str().expect("an id").to_owned()).or_default() += 1;
                completed += usize::from(one["status"] == "COMPLETED");
            }
        }
        assert_eq!(of_workflow.len(), slots, "workflows with a record");
        assert!(of_workflow.values().all(|records| *records == 1), "a slot became two records");
        completed
    }
}

/// A part of the hub; its ready line.
async fn serve(watch: &Yard, ports: Ports, part: &str, number: usize) -> (Child, String) {
    let output = watch.place.path(&format!("{part}{number}.out"));
    let log = watch.place.path(&format!("{part}{number}.log"));
    let mut command = command(watch, ports, &["serve", part], number);
    if part == "gateway" {
        command.args(["--http", "127.0.0.1:0", "--https", "127.0.0.1:0"]);
    }
    let files = [&output, &log].map(|path| File::create(path).expect("a file"));
    let [out, err] = files;
    let mut child = command.stdout(out).stderr(err).spawn().expect("the program starts");
    let began = Instant::now();
    loop {
        let ended = child.try_wait().expect("a child");
        let text = fs::read_to_string(&output).unwrap_or_default();
        if let Some(ready) = text.lines().find(|line| line.starts_with("madang ready ") && text.ends_with('\n')) {
            return (child, ready.to_owned());
        }
        let told = fs::read_to_string(&log).unwrap_or_default();
        assert!(ended.is_none() && began.elapsed() < READY_WITHIN, "{part} is not ready ({ended:?}): {told}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A call of the program; each of two pipeline processes has a data folder of its own, the tables are in one.
fn command(watch: &Yard, ports: Ports, arguments: &[&str], number: usize) -> Command {
    let folder = watch.place.path(if number == 0 { "data" } else { "data1" });
    let (name, value) = watch.watch.variable();
    let data = watch.place.path("data");
    let address = |port: u16| format!("127.0.0.1:{port}");
    let mut command = madang(arguments);
    command.arg("--data-dir").arg(folder).env(name, value).envs(watch.place.variables().iter().cloned()).env("NO_PROXY", "*");
    command.env("MADANG_SECRETS_FILE", data.join("secrets.toml"));
    command.env("MADANG_OBJECT_STORE_URL", format!("file://{}", data.display()));
    command.env("MADANG_CATALOG_LISTEN", address(ports.catalog));
    command.env("MADANG_CATALOG_URL", format!("http://{}", address(ports.catalog)));
    command.env("MADANG_PIPELINE_LISTEN", address(ports.pipelines[number]));
    command.env("MADANG_PIPELINE_URL", format!("http://{}", address(ports.pipelines[0])));
    command.env("MADANG_SURVEY_URL", "http://127.0.0.1:9"); // nobody asks for surveys here
    command
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}
