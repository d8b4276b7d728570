//! Jobs between PostgreSQL and MariaDB, both real (Data Flow's `SOURCE_CDB_…` and `TARGET_CDB_…`).

use std::env;

use madang_tests::{Hub, note, on_every_hub, work};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, PgConnection, Row, mysql::MySqlConnectOptions};

use super::{
    demand_problem, name,
    nodes::{Graphs, fields},
    storage::{put, text},
};

/// Both databases and connections to them; none if the tests run without.
struct Databases {
    graphs: Graphs,
    postgres: PgConnection,
    mariadb: MySqlConnection,
    /// A table of each test's own, on both.
    table: String,
    to_postgres: String,
    to_mariadb: String,
}

impl Databases {
    async fn new(hub: &Hub) -> Option<Self> {
        let (Ok(postgres), Ok(mariadb)) = (env::var("MADANG_TEST_POSTGRES"), env::var("MADANG_TEST_MARIADB")) else {
            note("MADANG_TEST_MARIADB is not set: jobs between databases were not tried");
            return None;
        };
        let login: Value = serde_json::from_str(&mariadb).expect("a login");
        let text = |key: &str| login[key].as_str().expect("a text").to_owned();
        let port = u16::try_from(login["port"].as_u64().expect("a port")).expect("a port");
        let options = MySqlConnectOptions::new().host(&text("host")).port(port).username(&text("username")).password(&text("password"));
        let graphs = Graphs::new(hub).await;
        let connection =
            async |body: Value| graphs.flow.client.post("/madang/v1/connections").json(&body).send().await.is(200).text_of("id");
        let (host, rest) = postgres.split_once('@').and_then(|(_, address)| address.split_once(':')).expect("an address");
        let (pg_port, database) = rest.split_once('/').expect("a database");
        let to_postgres =
            connection(json!({"name": name("pg"), "kind": "postgresql", "host": host, "port": pg_port.parse::<u16>().expect("a port"),
                                            "database": database, "username": "madang", "password": ""}));
        let to_postgres = to_postgres.await;
        let mut body = login.clone();
        body["name"] = name("my").into();
        body["kind"] = "mysql".into();
        let to_mariadb = connection(body).await;
        let postgres = PgConnection::connect(&postgres).await.expect("PostgreSQL");
        let mariadb = MySqlConnection::connect_with(&options.database(&text("database"))).await.expect("MariaDB");
        Some(Self { graphs, postgres, mariadb, table: work::unique("주문").replace('-', "_"), to_postgres, to_mariadb })
    }

    async fn make(&mut self) {
        let table = &self.table;
        let pg = format!(
            "CREATE TABLE \"{table}\" (\"번호\" bigint PRIMARY KEY, \"나라\" text, \"금액\" numeric(12,2), \"언제\" timestamptz, \"비율\" double precision, \"참\" boolean, b bytea)"
        );
        self.postgres.execute(AssertSqlSafe(pg)).await.expect("made");
        let my = format!(
            "CREATE TABLE `{table}` (`번호` BIGINT PRIMARY KEY, `나라` VARCHAR(50), `금액` DECIMAL(12,2), `언제` DATETIME(6), `비율` DOUBLE, `참` BOOLEAN, b BLOB)"
        );
        self.mariadb.execute(AssertSqlSafe(my)).await.expect("made");
    }

    async fn fill_postgres(&mut self) {
        let rows = "(1, 'KR', 10.50, '2026-03-01T14:00:00+09:00', 0.1, true, '\\x00ff'), (2, NULL, NULL, NULL, NULL, NULL, NULL),
                    (3, 'a,\"b\"''c', -3.25, '1969-12-31T23:59:59.5Z', 1e-300, false, '')";
        self.postgres.execute(AssertSqlSafe(format!("INSERT INTO \"{}\" VALUES {rows}", self.table))).await.expect("filled");
    }

    fn node(&self, kind: &str, id: i64, parents: &[i64], connection: &str, columns: &[&str]) -> Value {
        json!({"type": kind, "id": id, "name": "표", "parentNodeIds": parents, "connectionId": connection, "table": self.table, "fieldList": fields(columns)})
    }

    async fn in_mariadb(&mut self) -> Vec<String> {
        let sql = format!(
            "SELECT CONCAT_WS('|', `번호`, COALESCE(`나라`, '-'), COALESCE(`금액`, '-'), COALESCE(`언제`, '-'), COALESCE(`비율`, '-'), COALESCE(`참`, '-'), COALESCE(HEX(b), '-')) FROM `{}` ORDER BY `번호`",
            self.table
        );
        let rows = self.mariadb.fetch_all(AssertSqlSafe(sql)).await.expect("rows");
        rows.iter().map(|row| row.get::<String, _>(0)).collect()
    }
}

const COLUMNS: [&str; 7] =
    ["번호:bigint", "나라:string", "금액:decimal(12,2)", "언제:timestampWithTimeZone", "비율:double", "참:boolean", "b:binary"];

#[tokio::test]
async fn rows_go_from_postgresql_to_mariadb_and_back() {
    on_every_hub(|hub| async move {
        let Some(mut databases) = Databases::new(&hub).await else { return };
        databases.make().await;
        databases.fill_postgres().await;
        let there = json!([
            databases.node("SOURCE_CDB_POSTGRESQL", 1, &[], &databases.to_postgres, &COLUMNS),
            databases.node("TARGET_CDB_MYSQL", 2, &[1], &databases.to_mariadb, &COLUMNS),
        ]);
        let ended = databases.graphs.run(there.clone()).await;
        assert_eq!((&ended["nodeStats"][0]["rowsOut"], &ended["nodeStats"][0]["badValues"]), (&json!(3), &json!(0)), "{ended}");
        let rows = ["1|KR|10.50|2026-03-01 05:00:00.000000|0.1|1|00FF", "2|-|-|-|-|-|-", "3|a,\"b\"'c|-3.25|1969-12-31 23:59:59.500000|1e-300|0|"];
        assert_eq!(databases.in_mariadb().await, rows);
        databases.graphs.run(there.clone()).await; // instead of, not besides
        assert_eq!(databases.in_mariadb().await, rows);

        // A key that is taken: the database refuses, and what is there stays, also in the bucket of the other target.
        let mut append = there.clone();
        append[1]["updateType"] = "APPEND".into();
        let beside = databases.graphs.target(1, "beside", "CSV", &COLUMNS);
        append.as_array_mut().expect("nodes").push(beside);
        let failed = databases.graphs.run_with(append, json!({})).await;
        assert_eq!(failed["status"], "FAILED", "{failed}");
        assert_eq!(databases.in_mariadb().await, rows);
        assert_eq!(text(&databases.graphs.flow.client, &databases.graphs.bucket, "beside").await, "");
        let mut ignore = there;
        ignore[1]["updateType"] = "IGNORE".into();
        databases.graphs.run(ignore).await;
        assert_eq!(databases.in_mariadb().await, rows);

        let sql = format!("DELETE FROM \"{}\"", databases.table);
        databases.postgres.execute(AssertSqlSafe(sql)).await.expect("emptied");
        let back = json!([
            databases.node("SOURCE_CDB_MYSQL", 1, &[], &databases.to_mariadb, &COLUMNS),
            databases.node("TARGET_CDB_POSTGRESQL", 2, &[1], &databases.to_postgres, &COLUMNS),
        ]);
        databases.graphs.run(back).await;
        let sql = format!("SELECT \"번호\"::text || coalesce(\"나라\", '-') || coalesce(\"금액\"::text, '-') || coalesce(\"비율\"::text, '-') || coalesce(encode(b, 'hex'), '-') FROM \"{}\" ORDER BY \"번호\"", databases.table);
        let rows = databases.postgres.fetch_all(AssertSqlSafe(sql)).await.expect("rows");
        let rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(rows, ["1KR10.500.100ff", "2----", "3a,\"b\"'c-3.251e-300"]);
    })
    .await;
}

#[tokio::test]
async fn what_a_database_lacks_is_told() {
    on_every_hub(|hub| async move {
        let Some(mut databases) = Databases::new(&hub).await else { return };
        databases.make().await;
        let client = databases.graphs.flow.client.clone();
        put(&client, &databases.graphs.bucket, "in/1.csv", "번호,없다\n1,2\n").await;
        let source = databases.graphs.source(1, "in", "CSV", &["번호:bigint", "없다:int"]);
        let target = |table: &str, connection: &str, columns: &[&str]| {
            let mut node = databases.node("TARGET_CDB_POSTGRESQL", 2, &[1], connection, columns);
            node["table"] = table.into();
            node
        };
        let verify = async |target: Value| {
            let body = json!({"name": name("job"), "nodes": [source, target]});
            client.post("/api/v1/jobs/verify").json(&body).send().await
        };
        let table = databases.table.clone();
        demand_problem(&verify(target(&table, &databases.to_postgres, &["없다:int"])).await, 400, "bad-parameter", "없다");
        demand_problem(
            &verify(target("없는_표", &databases.to_postgres, &["번호:bigint"])).await,
            400,
            "client-resource-not-found",
            "table",
        );
        demand_problem(&verify(target(&table, "nobody", &["번호:bigint"])).await, 400, "client-resource-not-found", "connectionId");
        demand_problem(&verify(target(&table, &databases.to_mariadb, &["번호:bigint"])).await, 400, "bad-parameter", "mysql");
        let injected = format!("{table}\"; DROP TABLE \"{table}");
        demand_problem(
            &verify(target(&injected, &databases.to_postgres, &["번호:bigint"])).await,
            400,
            "client-resource-not-found",
            "table",
        );
        assert_eq!(verify(target(&format!("public.{table}"), &databases.to_postgres, &["번호:bigint"])).await.is(200).json(), json!(true));
    })
    .await;
}
