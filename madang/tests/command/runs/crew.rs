//! The processes of one hub, of which some are killed and started again.

use std::time::Duration;

use super::door::Door;
use crate::{
    databases::Databases,
    dice::Dice,
    hub::{Hub, Place, Starting},
    watch::Watch,
};

/// A hub with processes that may be killed.
pub(crate) struct Crew {
    pub(crate) place: Place,
    pub(crate) watch: Watch,
    pub(crate) door: Door,
    pub(crate) members: Vec<Member>,
    /// Who must stay.
    pub(crate) others: Vec<Starting>,
    _gateway: Option<Hub>,
    databases: Option<Databases>,
}

/// A process that may be killed and is started again as it was.
pub(crate) struct Member {
    name: String,
    data: String,
    call: Vec<String>,
    variables: Vec<(String, String)>,
    pub(crate) process: Starting,
}

impl Crew {
    /// The whole hub in one process, on SQLite.
    pub(crate) async fn alone(variables: &[(&str, &str)]) -> Self {
        let (place, watch) = place(Vec::new());
        let http = free_address();
        let call = ["up", "--http", &http, "--https", "off"];
        let mut member = Member::start(&place, "hub", "data", &call, variables);
        member.process.serving().await;
        let door = Door::new(&format!("http://{http}"), &credentials(&place), &watch);
        Self { place, watch, door, members: vec![member], others: Vec::new(), _gateway: None, databases: None }
    }

    /// Several pipeline processes beside a catalogue and a gateway, on PostgreSQL; requests go to the first one. None without a server.
    pub(crate) async fn of(workers: usize, variables: &[(&str, &str)]) -> Option<Self> {
        let databases = Databases::new().await?;
        let crew = Self::apart(databases.variables(), workers, variables).await;
        Some(Self { databases: Some(databases), ..crew })
    }

    /// One pipeline process beside a catalogue and a gateway, on SQLite.
    pub(crate) async fn of_one(variables: &[(&str, &str)]) -> Self {
        Self::apart(Vec::new(), 1, variables).await
    }

    async fn apart(databases: Vec<(String, String)>, workers: usize, variables: &[(&str, &str)]) -> Self {
        let (place, watch) = place(databases);
        place.spawn("init", "data", &["init"], &[]).ended().await;
        let (catalog, first) = (free_address(), free_address());
        let (catalog_url, pipeline_url) = (format!("http://{catalog}"), format!("http://{first}"));
        let nowhere = ("MADANG_SURVEY_URL", "http://127.0.0.1:9"); // nobody asks for surveys here
        let ways = [("MADANG_CATALOG_URL", catalog_url.as_str()), ("MADANG_PIPELINE_URL", pipeline_url.as_str()), nowhere];
        let mut other = place.spawn("catalog", "data", &["serve", "catalog"], &[("MADANG_CATALOG_LISTEN", &catalog)]);
        other.serving().await;
        let (secrets, store) = (place.path("data/secrets.toml"), place.path("data"));
        let (secrets, store) = (secrets.display().to_string(), format!("file://{}", store.display()));
        let mut members = Vec::new();
        for number in 0..workers {
            let listen = if number == 0 { first.clone() } else { free_address() };
            let mut own = vec![("MADANG_PIPELINE_LISTEN", listen.as_str())];
            own.extend_from_slice(&ways);
            own.extend_from_slice(variables);
            let name = format!("worker-{number}");
            let data = if number == 0 {
                "data"
            } else {
                std::fs::create_dir(place.path(&name)).expect("a folder"); // of locks; tables and keys are everybody's
                own.extend_from_slice(&[("MADANG_SECRETS_FILE", &secrets), ("MADANG_OBJECT_STORE_URL", &store)]);
                &name
            };
            members.push(Member::start(&place, &name, data, &["serve", "pipeline"], &own));
        }
        for member in &mut members {
            member.process.serving().await;
        }
        let call = ["serve", "gateway", "--http", "127.0.0.1:0", "--https", "off"];
        let gateway = place.spawn("gateway", "data", &call, &ways).ready().await;
        let door = Door::new(&gateway.http, &gateway.credentials(), &watch);
        Self { place, watch, door, members, others: vec![other], _gateway: Some(gateway), databases: None }
    }

    /// Kills one of them (`kill -9`) and starts it again, without waiting for it.
    pub(crate) async fn kill_any(&mut self, dice: &Dice) {
        let any = usize::try_from(dice.below(self.members.len() as u64)).expect("a place");
        self.kill(any).await;
        self.start(any);
    }

    pub(crate) async fn kill(&mut self, number: usize) {
        self.members[number].process.kill().await;
    }

    pub(crate) fn start(&mut self, number: usize) {
        let Member { name, data, call, variables, .. } = &self.members[number];
        let call: Vec<&str> = call.iter().map(String::as_str).collect();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.members[number] = Member::start(&self.place, name, data, &call, &variables);
    }

    /// Waits until all serve.
    pub(crate) async fn serving(&mut self) {
        for member in &mut self.members {
            member.process.serving().await;
        }
    }

    /// Kills one every two seconds while `goes_on`, at most so often; gives how often. One that is alone gets two seconds after each start.
    pub(crate) async fn kill_while(&mut self, dice: &Dice, limit: u64, goes_on: impl Fn() -> bool) -> u64 {
        let mut kills = 0;
        let mut every = tokio::time::interval(KILL_EVERY);
        every.tick().await;
        while kills < limit && goes_on() {
            every.tick().await;
            self.kill_any(dice).await;
            kills += 1;
            if self.members.len() == 1 {
                self.serving().await;
                every.reset();
            }
        }
        kills
    }

    /// Ends all of it.
    pub(crate) async fn leave(mut self) {
        for process in self.members.iter_mut().map(|member| &mut member.process).chain(&mut self.others) {
            process.kill().await;
        }
        if let Some(databases) = self.databases {
            databases.remove().await;
        }
    }
}

const KILL_EVERY: Duration = Duration::from_secs(2);

impl Member {
    fn start(place: &Place, name: &str, data: &str, call: &[&str], variables: &[(&str, &str)]) -> Self {
        let process = place.spawn(name, data, call, variables);
        let owned = |text: &&str| (*text).to_owned();
        Self {
            name: name.to_owned(),
            data: data.to_owned(),
            call: call.iter().map(owned).collect(),
            variables: variables.iter().map(|(name, value)| (owned(name), owned(value))).collect(),
            process,
        }
    }
}

/// A place for processes that share a clock.
fn place(mut variables: Vec<(String, String)>) -> (Place, Watch) {
    let folder = tempfile::tempdir().expect("a folder");
    let watch = Watch::new(folder.path().join("offset"));
    variables.push(watch.variable());
    (Place::at(folder, variables), watch)
}

fn credentials(place: &Place) -> serde_json::Value {
    let text = std::fs::read_to_string(place.path("data/credentials.json")).expect("credentials.json");
    serde_json::from_str(&text).expect("credentials.json")
}

/// An address that is free now.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}
