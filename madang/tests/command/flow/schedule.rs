//! Schedules: each slot once, also across restarts; of what was missed the latest, if it is younger than an hour.

use reqwest::Method;
use serde_json::{Value, json};

use super::{BEGIN, Client, HOUR, MINUTE, SECOND, chain, iso, recurring};
use crate::{databases::Databases, hub::Place, watch::Yard};

fn executions(workflow: &str) -> String {
    format!("/api/v1/workflows/{workflow}/executions")
}

fn count(look: &Value) -> u64 {
    look["count"].as_u64().unwrap_or_default()
}

/// The moments at which executions were made, cut to minutes, the oldest first.
fn moments(look: &Value) -> Vec<String> {
    let list = look["list"].as_array().expect("a list").iter().rev();
    list.map(|one| one["createdDate"].as_str().expect("a date")[..16].to_owned()).collect()
}

#[tokio::test]
async fn each_slot_fires_once_across_restarts_on_sqlite() {
    each_slot_fires_once(Place::new()).await;
}

#[tokio::test]
async fn each_slot_fires_once_across_restarts_on_postgres() {
    let Some(databases) = Databases::new().await else { return };
    each_slot_fires_once(Place::with(databases.variables())).await;
    databases.remove().await;
}

async fn each_slot_fires_once(place: Place) {
    let watch = Yard::in_place(place, BEGIN);
    let mut hub = watch.up().await;
    let mut client = Client::of(&hub);
    let job = client.job(&watch, "hourly", false, 1).await;
    let trigger = client.trigger(&watch, "every_hour", recurring("HOUR", "00")).await;
    let workflow = client.workflow(&watch, "hourly", &trigger, &[&job]).await;
    let target = executions(&workflow);
    for hour in 1..=8_u64 {
        let slot = BEGIN + i64::try_from(hour).expect("small") * HOUR - 30 * SECOND;
        if hour % 3 == 0 {
            hub.kill().await;
            watch.set(slot + SECOND);
            hub = watch.up().await;
            client = Client::of(&hub);
        } else {
            watch.set(slot - 50);
        }
        let look = client.until(&watch, &target, |look| count(look) >= hour).await;
        assert_eq!(count(&look), hour, "{look}");
        client.until(&watch, &target, |look| look["list"][0]["status"] == "COMPLETED").await;
    }
    let found = client.get(&watch, &target).await;
    let hours: Vec<String> = (10..=17).map(|hour| format!("2026-03-12T{hour}:00")).collect();
    assert_eq!(moments(&found), hours);
    assert!(
        found["list"].as_array().expect("a list").iter().all(|one| one["triggerName"] == "every_hour" && one["jobId"] == job),
        "{found}"
    );

    // the dashboard of this hub counts exactly these
    let totals = client.get(&watch, "/api/v1/stats/executions?startDate=2026-03-12T10:00:00&endDate=2026-03-12T17:00:59").await;
    assert_eq!(totals, json!({"totalCount": 8, "completedCount": 8, "failedCount": 0}));
    let days = client.get(&watch, "/api/v1/stats/executions-interval?startDate=2026-03-11T10:00:00&endDate=2026-03-12T23:59:59").await;
    let numbers: Vec<_> = days["result"].as_array().expect("days").iter().map(|day| day["totalCount"].clone()).collect();
    assert_eq!(numbers, [json!(0), json!(8)]);
    let parts = client.get(&watch, "/api/v1/stats/executions-times?startDate=2026-03-12T09:30:00&endDate=2026-03-12T18:00:00").await;
    let numbers: Vec<_> = parts["result"].as_array().expect("parts").iter().map(|part| part["value"].clone()).collect();
    assert_eq!(numbers, [json!(0), json!(2), json!(2), json!(2), json!(2), json!(0)], "from 08:00 on, in two hours each: {parts}");
}

#[tokio::test]
async fn of_missed_slots_the_latest_counts_if_it_is_young() {
    let watch = Yard::at(BEGIN);
    let mut hub = watch.up().await;
    let client = Client::of(&hub);
    let (hourly, daily) = (client.job(&watch, "hourly", false, 1).await, client.job(&watch, "daily", false, 1).await);
    let every_hour = client.trigger(&watch, "every_hour", recurring("HOUR", "00")).await;
    let at_ten = client.trigger(&watch, "at_ten", recurring("DAY", "10:00")).await;
    let once = client.trigger(&watch, "once", json!({"type": "ONE_TIME", "executionDate": iso(BEGIN + HOUR)})).await;
    let hourly = executions(&client.workflow(&watch, "hourly", &every_hour, &[&hourly]).await);
    let daily_workflow = executions(&client.workflow(&watch, "daily", &at_ten, &[&daily]).await);
    let once = executions(&client.workflow(&watch, "once", &once, &[&daily]).await);
    hub.kill().await;
    watch.set(BEGIN + 3 * HOUR + 10 * MINUTE); // 12:10:30
    let hub = watch.up().await;
    let client = Client::of(&hub);
    let look = client.until(&watch, &hourly, |look| count(look) > 0).await;
    assert_eq!((count(&look), moments(&look)), (1, vec!["2026-03-12T12:10".to_owned()]), "three were missed, one is made up for");
    for target in [&daily_workflow, &once] {
        assert_eq!(count(&client.get(&watch, target).await), 0, "two hours late is too late");
    }
    watch.set(BEGIN + 25 * HOUR); // 10:00:30 of the next day
    client.until(&watch, &daily_workflow, |look| count(look) == 1).await;
    assert_eq!(count(&client.get(&watch, &once).await), 0, "it came once, and was missed");
    assert_eq!(count(&client.until(&watch, &hourly, |look| count(look) == 2).await), 2);
}

#[tokio::test]
async fn months_end_where_they_end() {
    let watch = Yard::at(BEGIN);
    let hub = watch.up().await;
    let client = Client::of(&hub);
    let job = client.job(&watch, "monthly", false, 5).await;
    let mut workflows = Vec::new();
    for (name, day) in [("last", "-1"), ("day_31", "31"), ("day_30", "30")] {
        let mut rule = recurring("MONTH", "06:30");
        rule["dateOfMonth"] = day.into();
        let trigger = client.trigger(&watch, name, rule).await;
        workflows.push(executions(&client.workflow(&watch, name, &trigger, &[&job]).await));
    }
    // half a minute after 06:30 of the last days of March and April, and of the 30th of March
    let half_past_six = |days: i64| BEGIN + days * 24 * HOUR - 2 * HOUR - 30 * MINUTE;
    for (days, expected) in [(18, [0, 0, 1]), (19, [1, 1, 1]), (49, [2, 1, 2])] {
        watch.set(half_past_six(days));
        for (workflow, expected) in workflows.iter().zip(expected) {
            let look = client.until(&watch, workflow, |look| count(look) >= expected).await;
            assert_eq!(count(&look), expected, "day {days}: {look}");
        }
    }
}

#[tokio::test]
async fn a_one_time_trigger_fires_once_and_stays() {
    let watch = Yard::at(BEGIN);
    let hub = watch.up().await;
    let client = Client::of(&hub);
    let job = client.job(&watch, "once", false, 1).await;
    let trigger = client.trigger(&watch, "once", json!({"type": "ONE_TIME", "executionDate": iso(BEGIN + MINUTE)})).await;
    let workflow = client.workflow(&watch, "once", &trigger, &[&job]).await;
    watch.set(BEGIN + MINUTE - 50);
    client.until(&watch, &executions(&workflow), |look| count(look) == 1).await;
    watch.set(BEGIN + 24 * HOUR);
    client.call(&watch, Method::PUT, &format!("/api/v1/workflows/{workflow}"), Some(&chain("once", &trigger, &[&job]))).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(count(&client.get(&watch, &executions(&workflow)).await), 1, "not again by being saved again");
    assert_eq!(client.get(&watch, &format!("/api/v1/triggers/{trigger}")).await["name"], "once");
}

#[tokio::test]
async fn what_is_deleted_or_a_draft_does_not_fire() {
    let watch = Yard::at(BEGIN);
    let hub = watch.up().await;
    let client = Client::of(&hub);
    let job = client.job(&watch, "j_one", false, 50).await;
    let other = client.job(&watch, "j_two", false, 50).await;
    let triggers =
        [client.trigger(&watch, "kept", recurring("HOUR", "30")).await, client.trigger(&watch, "gone", recurring("HOUR", "30")).await];
    let mut workflows = Vec::new();
    for (name, trigger) in [
        ("beats", &triggers[0]),
        ("lost_trigger", &triggers[1]),
        ("drafted", &triggers[0]),
        ("deleted", &triggers[0]),
        ("edited", &triggers[0]),
    ] {
        workflows.push(client.workflow(&watch, name, trigger, &[&job]).await);
    }
    client.call(&watch, Method::DELETE, &format!("/api/v1/triggers/{}", triggers[1]), None).await;
    let mut draft = chain("drafted", &triggers[0], &[&job]);
    draft["isTemp"] = true.into();
    client.call(&watch, Method::PUT, &format!("/api/v1/workflows/{}", workflows[2]), Some(&draft)).await;
    client.call(&watch, Method::DELETE, &format!("/api/v1/workflows/{}", workflows[3]), None).await;
    client.call(&watch, Method::PUT, &format!("/api/v1/workflows/{}", workflows[4]), Some(&chain("edited", &triggers[0], &[&other]))).await;
    watch.set(BEGIN + 30 * MINUTE - 30 * SECOND - 50); // 09:30
    client.until(&watch, &executions(&workflows[0]), |look| count(look) == 1).await;
    let edited = client.until(&watch, &executions(&workflows[4]), |look| count(look) == 1).await;
    assert_eq!(edited["list"][0]["jobId"], other, "as it was edited");
    for workflow in [&workflows[1], &workflows[2]] {
        assert_eq!(count(&client.get(&watch, &executions(workflow)).await), 0);
    }
    let all = client.get(&watch, &format!("/api/v1/jobs/{job}/executions")).await;
    assert_eq!(count(&all), 1, "the deleted one did not fire either: {all}");
}

/// A start while the job runs as often as it may is recorded, not lost.
#[tokio::test]
async fn a_slot_beyond_the_limit_is_recorded_as_failed() {
    let watch = Yard::at(BEGIN);
    let hub = watch.up().await;
    let client = Client::of(&hub);
    let job = client.job(&watch, "slow", true, 1).await;
    let trigger = client.trigger(&watch, "every_hour", recurring("HOUR", "00")).await;
    let workflow = client.workflow(&watch, "slow", &trigger, &[&job]).await;
    let target = executions(&workflow);
    watch.set(BEGIN + HOUR - 30 * SECOND - 50);
    client.until(&watch, &target, |look| look["list"][0]["status"] == "RUNNING").await;
    watch.set(BEGIN + 2 * HOUR - 30 * SECOND - 50);
    let look = client.until(&watch, &target, |look| count(look) == 2).await;
    assert_eq!(look["list"][0]["status"], "FAILED", "{look}");
    assert!(look["list"][0]["message"].as_str().is_some_and(|message| message.contains("maxConcurrentRuns")), "{look}");
}
