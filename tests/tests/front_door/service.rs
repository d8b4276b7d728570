//! Services called directly over gRPC: nothing opens them but an assertion of ours, for this method, of this minute.

use aws_lc_rs::signature::Ed25519KeyPair;
use madang_proto::{
    catalog::v1::{
        CreateOrganizationRequest, OpenTableRequest, TableAccess, catalog_client::CatalogClient, table_commits_client::TableCommitsClient,
    },
    pipeline::v1::{ListRunsRequest, pipelines_client::PipelinesClient},
};
use madang_tests::{FilePart, Hub, note, on_every_hub, signature, token, work};
use serde_json::{Value, json};
use tonic::{Code, Request, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

const CREATE: &str = "/madang.catalog.v1.Catalog/CreateOrganization";
const OPEN: &str = "/madang.catalog.v1.TableCommits/OpenTable";
const RUNS: &str = "/madang.pipeline.v1.Pipelines/ListRuns";

/// What the tests of one hub's services need.
struct House {
    hub: Hub,
    catalog: Channel,
    pipeline: Channel,
    /// The administrator, as assertions name him.
    principal: Value,
}

impl House {
    /// `None` where all runs in one process.
    async fn of(hub: Hub) -> Option<Self> {
        let address = |service: &str| hub.grpc.get(service).cloned().flatten();
        let Some((catalog, pipeline)) = address("catalog").zip(address("pipeline")) else {
            note(&format!("hub '{}' runs in one process: its services have no address", hub.name));
            return None;
        };
        let claims = token::claims(&hub.admin().await.access_token());
        let principal = json!({"user": claims["sub"], "name": "admin", "space": null, "roles": claims["roles"], "scheme": "bearer-jwt"});
        Some(Self { hub, catalog: connect(catalog).await, pipeline: connect(pipeline).await, principal })
    }

    fn key(&self, process: &str) -> Ed25519KeyPair {
        self.hub.keys().process(process)
    }

    /// Claims for a method, issued `age_ms` ago and good for `lifetime_ms`.
    fn claims(&self, issuer: &str, method: &str, age_ms: i64, lifetime_ms: i64) -> Value {
        let from = signature::now_ms() - age_ms;
        json!({"issuer": issuer, "method": method, "issued_ms": from, "expires_ms": from + lifetime_ms, "principal": self.principal})
    }

    /// A good assertion, if this process may call this method.
    fn assertion(&self, issuer: &str, method: &str) -> String {
        token::assertion(&self.key(issuer), &self.claims(issuer, method, 0, 60_000))
    }

    async fn create(&self, assertion: Option<&str>) -> Code {
        let request = CreateOrganizationRequest { title: "직접".to_owned(), ..CreateOrganizationRequest::default() };
        code(CatalogClient::new(self.catalog.clone()).create_organization(with(request, assertion)).await)
    }

    async fn list_runs(&self, assertion: Option<&str>) -> Code {
        code(PipelinesClient::new(self.pipeline.clone()).list_runs(with(ListRunsRequest::default(), assertion)).await)
    }

    /// The version of a dataset's table, as an engine sees it.
    async fn version(&self, dataset: &str) -> i64 {
        let request = OpenTableRequest { dataset_id: uuid(dataset), version: None, access: TableAccess::Read.into() };
        let assertion = self.assertion("pipeline", OPEN);
        let answer = TableCommitsClient::new(self.catalog.clone()).open_table(with(request, Some(&assertion))).await;
        answer.expect("pipeline-svc may open tables").into_inner().version.expect("a version")
    }
}

async fn connect(url: String) -> Channel {
    Channel::from_shared(url).expect("an address").connect().await.expect("a service")
}

fn with<M>(message: M, assertion: Option<&str>) -> Request<M> {
    let mut request = Request::new(message);
    if let Some(assertion) = assertion {
        request.metadata_mut().insert("x-madang-assertion", assertion.parse().expect("ASCII"));
    }
    request
}

fn code<M>(answer: Result<M, tonic::Status>) -> Code {
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

/// The UUID of `ds-01h…`: the same 128 bits.
fn uuid(id: &str) -> String {
    const DIGITS: &str = "0123456789abcdefghjkmnpqrstvwxyz";
    let ulid = id.rsplit('-').next().unwrap_or_default();
    let value = ulid.chars().fold(0_u128, |value, digit| value << 5 | DIGITS.find(digit).expect("a ULID") as u128);
    let hex = format!("{value:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[tokio::test]
async fn a_good_assertion_opens_its_method() {
    on_every_hub(|hub| async move {
        let Some(house) = House::of(hub).await else { return };
        assert_eq!(house.create(Some(&house.assertion("gateway", CREATE))).await, Code::Ok);
        assert_eq!(house.list_runs(Some(&house.assertion("gateway", RUNS))).await, Code::Ok);
    })
    .await;
}

#[tokio::test]
async fn everything_else_is_refused() {
    on_every_hub(|hub| async move {
        let Some(house) = House::of(hub).await else { return };
        let gateway = house.key("gateway");
        let foreign = Ed25519KeyPair::generate().expect("a key");
        let good = house.claims("gateway", CREATE, 0, 60_000);
        let signed = |claims: &Value| token::assertion(&gateway, claims);
        let (body, proof) = (signed(&good), signed(&house.claims("gateway", CREATE, 10_000, 60_000)));
        let mixed = format!("{}.{}", body.split('.').next().unwrap_or_default(), proof.split('.').nth(1).unwrap_or_default());
        let cases = [
            ("none", None),
            ("an empty one", Some(String::new())),
            ("garbage", Some("garbage".to_owned())),
            ("garbage with a dot", Some("Z2FyYmFnZQ.Z2FyYmFnZQ".to_owned())),
            ("a very long one", Some("a.".repeat(4_500))),
            ("no signature", Some(format!("{}.", body.split('.').next().unwrap_or_default()))),
            ("the signature of other claims", Some(mixed)),
            ("an unknown key", Some(token::assertion(&foreign, &good))),
            ("another process's key", Some(token::assertion(&house.key("pipeline"), &good))),
            ("an unknown process", Some(signed(&house.claims("stranger", CREATE, 0, 60_000)))),
            ("expired: issued 61 s ago", Some(signed(&house.claims("gateway", CREATE, 61_000, 60_000)))),
            ("issued in a minute", Some(signed(&house.claims("gateway", CREATE, -60_000, 60_000)))),
            ("good for an hour", Some(signed(&house.claims("gateway", CREATE, 0, 3_600_000)))),
            ("for another method", Some(signed(&house.claims("gateway", RUNS, 0, 60_000)))),
            ("for another method of the service", Some(signed(&house.claims("gateway", OPEN, 0, 60_000)))),
            ("a D.Hub access token", Some(house.hub.admin().await.access_token())),
        ];
        for (about, assertion) in cases {
            assert_eq!(house.create(assertion.as_deref()).await, Code::Unauthenticated, "{about}");
        }
    })
    .await;
}

/// Each process may call what its work needs and no more (design, section 3).
#[tokio::test]
async fn a_process_is_held_to_its_list() {
    on_every_hub(|hub| async move {
        let Some(house) = House::of(hub).await else { return };
        for process in ["pipeline", "catalog"] {
            assert_eq!(house.create(Some(&house.assertion(process, CREATE))).await, Code::PermissionDenied, "{process}");
            assert_eq!(house.list_runs(Some(&house.assertion(process, RUNS))).await, Code::PermissionDenied, "{process}");
        }
        let request = OpenTableRequest { dataset_id: String::new(), version: None, access: TableAccess::Read.into() };
        let assertion = house.assertion("gateway", OPEN);
        let answer = TableCommitsClient::new(house.catalog.clone()).open_table(with(request, Some(&assertion))).await;
        assert_eq!(code(answer), Code::PermissionDenied, "the gateway commits no tables");
    })
    .await;
}

#[tokio::test]
async fn health_answers_anybody() {
    on_every_hub(|hub| async move {
        let Some(house) = House::of(hub).await else { return };
        for channel in [&house.catalog, &house.pipeline] {
            let answer = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.expect("an answer");
            assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
        }
    })
    .await;
}

/// All files of one request are one version, and a refused request is none (dhub.md section 7).
#[tokio::test]
async fn an_upload_of_several_files_is_one_version() {
    on_every_hub(|hub| async move {
        let Some(house) = House::of(hub).await else { return };
        let admin = house.hub.admin().await;
        let dataset = work::dataset(&admin).await;
        work::upload(&admin, &dataset, "a\n1\n").await.is(200);
        let before = house.version(&dataset).await;
        let files = ["a\n2\n", "a\n3\n", "a\n4\n"].map(|text| FilePart { part: "files", ..FilePart::csv("rows.csv", text) });
        work::upload_files(&admin, &dataset, &files).await.is(200);
        assert_eq!(house.version(&dataset).await, before + 1);
        work::upload(&admin, &dataset, "a\nnot a number\n").await.is(422);
        assert_eq!(house.version(&dataset).await, before + 1);
    })
    .await;
}
