//! `madang key`: through the running hub, and on its database when nothing serves it. Quotas outlive the process.

use std::fs;

use serde_json::Value;

use crate::{
    databases::Databases,
    hub::{Hub, Place},
    program::{madang, run, text},
    signed,
};

const ME: &str = "/api/v1/auth/me";

/// What `madang key` prints; it must succeed.
async fn key(place: &Place, hub: Option<&Hub>, variables: &[(String, String)], arguments: &[&str]) -> Value {
    let mut command = madang(&["key"]);
    command.args(arguments).arg("--data-dir").arg(place.path("data"));
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    if let Some(hub) = hub {
        command.args(["--url", &hub.http]);
    }
    let output = run(&mut command).await;
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_str(&text(&output.stdout)).expect("JSON")
}

async fn on_each_database<W: Future<Output = ()>>(check: impl Fn(Vec<(String, String)>) -> W) {
    check(Vec::new()).await;
    if let Some(databases) = Databases::new().await {
        check(databases.variables()).await;
        databases.remove().await;
    }
}

#[tokio::test]
async fn keys_are_administered_while_the_hub_runs_and_while_it_does_not() {
    on_each_database(|variables| async move {
        let place = Place::with(variables.clone());
        let hub = place.up().await;
        let made = key(&place, Some(&hub), &variables, &["create", "--per-second", "100"]).await;
        let name = made["access_key"].as_str().expect("a name").to_owned();
        assert_eq!(signed::get(&hub, &made, ME).await.0, 200);
        key(&place, Some(&hub), &variables, &["disable", &name]).await;
        assert_eq!(signed::get(&hub, &made, ME).await.0, 401);
        hub.stop().await;

        let shown = key(&place, None, &variables, &["enable", &name]).await;
        assert_eq!((&shown["state"], &shown["plan"]["per_second"]), (&"active".into(), &100.into()));
        key(&place, None, &variables, &["limit", &name, "--per-second", "none", "--expires-at", "2099-01-01T00:00:00Z"]).await;
        let second = key(&place, None, &variables, &["create"]).await;
        let all = key(&place, None, &variables, &["list"]).await;
        assert_eq!(all["keys"].as_array().map(Vec::len), Some(3), "{all}");

        let hub = place.up().await;
        for made in [&made, &second] {
            assert_eq!(signed::get(&hub, made, ME).await.0, 200);
        }
        key(&place, Some(&hub), &variables, &["delete", &name]).await;
        assert_eq!(signed::get(&hub, &made, ME).await.0, 401);
        let output = run(madang(&["key", "show", &name, "--url", &hub.http, "--data-dir"]).arg(place.path("data"))).await;
        assert!(!output.status.success() && text(&output.stderr).contains("not found"), "{}", text(&output.stderr));
    })
    .await;
}

/// No count is lost, whether the hub is stopped or killed; a new day in Seoul begins anew.
#[tokio::test]
async fn a_quota_outlives_the_process_and_ends_with_its_day() {
    on_each_database(|variables| async move {
        let place = Place::with(variables.clone());
        let clock = place.path("offset");
        let with_clock = [("MADANG_CLOCK_OFFSET_FILE", clock.to_str().expect("a path"))];
        let mut hub = place.up_with(&[], &with_clock).await;
        let made = key(&place, Some(&hub), &variables, &["create", "--per-day", "500"]).await;
        let name = made["access_key"].as_str().expect("a name").to_owned();
        let (mut passed, block) = (0, 5);
        let mut spend = async |hub: &Hub, times: u32| {
            for _ in 0..times {
                assert_eq!(signed::get(hub, &made, ME).await.0, 200);
            }
            passed += times;
        };
        spend(&hub, 103).await;
        hub.stop().await;
        hub = place.up_with(&[], &with_clock).await;
        let shown = key(&place, Some(&hub), &variables, &["show", &name]).await;
        assert_eq!(shown["used"]["day"], 103, "what was taken and not used came back");
        spend(&hub, 102).await;
        hub.kill().await;
        hub = place.up_with(&[], &with_clock).await;
        let used = key(&place, Some(&hub), &variables, &["show", &name]).await["used"]["day"].as_i64().expect("a number");
        assert!((205..205 + block).contains(&used), "{used}");
        let mut last = 200;
        while last == 200 {
            last = signed::get(&hub, &made, ME).await.0;
            passed += u32::from(last == 200);
        }
        assert!(last == 429 && (500 - block..=500).contains(&i64::from(passed)), "{last} after {passed}");
        let (_, retry_after) = signed::get(&hub, &made, ME).await;
        let wait: i64 = retry_after.parse().expect("Retry-After");
        assert!((1..=86_401).contains(&wait), "{wait}");
        fs::write(&clock, (wait * 1_000).to_string()).expect("the offset");
        assert_eq!(signed::get_at(&hub, &made, ME, wait * 1_000).await.0, 200, "the next day");
        hub.stop().await;
    })
    .await;
}
