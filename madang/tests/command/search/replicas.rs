//! Two gateways, each with a catalogue of its own, on one PostgreSQL.

use std::net::TcpListener;

use super::client::Client;
use crate::{
    databases::Databases,
    hub::{Place, Starting, value},
};

/// Writes through one door that the other one finds.
const WRITES: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_catalogues_find_what_either_wrote() {
    let Some(databases) = Databases::new().await else { return };
    let house = House::open(Place::with(databases.variables())).await;
    house.run().await;
    databases.remove().await;
}

struct House {
    place: Place,
    ports: Ports,
    catalogs: Vec<Starting>,
    _others: Vec<Starting>,
    clients: Vec<Client>,
}

#[derive(Clone, Copy)]
struct Ports {
    catalogs: [u16; 2],
    pipeline: u16,
}

impl House {
    async fn open(place: Place) -> Self {
        let ports = Ports { catalogs: [free_port(), free_port()], pipeline: free_port() };
        start(&place, ports, &["init"], 0).ended().await;
        let (mut catalogs, mut others, mut clients) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..2 {
            let mut catalog = start(&place, ports, &["serve", "catalog"], number);
            catalog.serving().await;
            catalogs.push(catalog);
        }
        let mut pipeline = start(&place, ports, &["serve", "pipeline"], 0);
        pipeline.serving().await;
        others.push(pipeline);
        let credentials = std::fs::read_to_string(place.path("data0").join("credentials.json")).expect("credentials");
        let credentials: serde_json::Value = serde_json::from_str(&credentials).expect("JSON");
        for number in 0..2 {
            let door = ["serve", "gateway", "--http", "127.0.0.1:0", "--https", "off"];
            let mut gateway = start(&place, ports, &door, number);
            let ready = gateway.serving().await;
            others.push(gateway);
            clients.push(Client::at(&value(&ready, "http"), credentials["ckan_api_token"].as_str().expect("a token")));
        }
        Self { place, ports, catalogs, _others: others, clients }
    }

    async fn run(mut self) {
        let [one, other] = self.clients.as_slice() else { unreachable!("two clients") };
        one.prepare(5).await;
        for number in 0..WRITES {
            let (writer, reader) = if number % 2 == 0 { (one, other) } else { (other, one) };
            writer.change(number).await;
            let found = reader.finds("first-0").await;
            assert_eq!(found[0]["notes"], number.to_string(), "found at once through the other catalogue");
            assert_eq!(found[0]["organization"]["title"], number.to_string());
        }
        // Both write at once, and one is killed in the middle.
        tokio::select! {
            () = one.work(0) => {},
            () = other.work(1) => {},
            () = one.work(2) => {},
            () = other.search() => {},
            () = tokio::time::sleep(std::time::Duration::from_secs(2)) => {},
        }
        self.catalogs[1].kill().await;
        one.change(WRITES).await;
        let mut again = start(&self.place, self.ports, &["serve", "catalog"], 1);
        again.serving().await;
        self.catalogs[1] = again;
        assert_eq!(one.same().await, other.same().await);
        other.change(WRITES + 1).await;
        assert_eq!(one.finds("first-0").await, other.finds("first-0").await);
    }
}

/// A part of the hub with a data folder of its own; the tables are in one.
fn start(place: &Place, ports: Ports, call: &[&str], number: usize) -> Starting {
    let data = place.path("data0");
    for folder in [data.clone(), place.path(&format!("data{number}"))] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    let address = |port: u16| format!("127.0.0.1:{port}");
    let catalog = address(ports.catalogs[number]);
    let variables = [
        ("MADANG_SECRETS_FILE", data.join("secrets.toml").display().to_string()),
        ("MADANG_OBJECT_STORE_URL", format!("file://{}", data.display())),
        ("MADANG_CATALOG_LISTEN", catalog.clone()),
        ("MADANG_CATALOG_URL", format!("http://{catalog}")),
        ("MADANG_PIPELINE_LISTEN", address(ports.pipeline)),
        ("MADANG_PIPELINE_URL", format!("http://{}", address(ports.pipeline))),
        ("MADANG_SURVEY_URL", "http://127.0.0.1:9".to_owned()), // nobody asks for surveys here
    ];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    place.spawn(&format!("{}{number}", call.join("-").replace(['.', ':'], "-")), &format!("data{number}"), call, &variables)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}
