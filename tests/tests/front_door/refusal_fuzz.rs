//! A thousand refused requests of every make: no answer and no file of the hub shows a secret or a signature that holds.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{StreamExt, stream};
use madang_tests::{
    Client, Hub, Login, on_every_hub,
    signature::{self, ACCESS_KEY, SIGNATURE, TIMESTAMP},
    work,
};
use serde_json::json;

const REFUSALS: u64 = 1_000;
const AT_ONCE: usize = 8;
const SEED: u64 = 0x6d61_6461_6e67;

/// Some that exist: what leads nowhere is not refused.
const ROUTES: [(&str, &str); 8] = [
    ("GET", "/api/v1/datasets"),
    ("POST", "/api/v1/datasets"),
    ("POST", "/api/v1/collections"),
    ("PUT", "/api/v1/collections/col-1"),
    ("DELETE", "/api/v1/datasets/ds-1"),
    ("POST", "/api/v1/users"),
    ("GET", "/madang/v1/whoami"),
    ("PATCH", "/madang/v1/admin/keys/nobody"),
];

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).expect("64 bits") % sides
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.roll(one_in) == 0
    }
}

/// Who sends, and who may read.
struct House {
    visitor: Client,
    admin: Client,
    person: Client,
    access_key: String,
    secret_key: String,
}

/// A request that is wrong somewhere.
struct Wrong {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: String,
    /// What must not be shown: the right signature, and the one that was sent.
    signatures: Vec<String>,
}

fn wrong(house: &House, dice: &mut Dice) -> Wrong {
    let (name, secret) = (house.access_key.as_str(), house.secret_key.as_str());
    let encoded = signature::percent(secret);
    let (method, path) = ROUTES[dice.roll(ROUTES.len())];
    let query = dice.pick(&["", "?", "?a=1&b=2", "?q=%EA%B0%80%20b", "?secret=S", "?x=E&y=1", "?limit=5&limit=6&q=a%2Fb"]);
    let target = format!("{path}{}", query.replace("=S", &format!("={secret}")).replace("=E", &format!("={encoded}")));
    let now = signature::now_ms();
    let timestamp = [now, now / 1_000, now - 400_000, now + 400_000, now * 1_000][dice.roll(5)].to_string();
    let timestamp = if dice.chance(12) { secret.to_owned() } else { timestamp };
    let sent_name = if dice.chance(4) { [secret, "ncp_iam_NOBODY", "x", &encoded][dice.roll(4)] } else { name };
    let separator = dice.pick(&["\n", "\r\n", "\\n"]);
    let signed_target = if dice.chance(2) { target.replace('&', "&amp;") } else { path.to_owned() };
    let body = dice.pick(&["", "{}", r#"{"secret":"S"}"#]).replace('S', secret);
    let tail = ["", "\n", &body, secret][dice.roll(4)];
    let text = format!("{method} {signed_target}{separator}{timestamp}{separator}{name}{tail}!");
    let digest = signature::hmac(if dice.chance(2) { secret.as_bytes() } else { name.as_bytes() }, text.as_bytes());
    let standard = STANDARD.encode(&digest);
    let hex = signature::hex(&digest);
    let spelt = match dice.roll(6) {
        0 => hex,
        1 => standard.trim_end_matches('=').to_owned(),
        2 => secret.to_owned(),
        3 => STANDARD.encode(secret),
        _ => standard.clone(),
    };
    let mut headers = vec![(TIMESTAMP, timestamp.clone()), (ACCESS_KEY, sent_name.to_owned()), (SIGNATURE, spelt)];
    if dice.chance(8) {
        headers.remove(dice.roll(3));
    }
    if dice.chance(6) {
        headers.push((["x-forwarded-prefix", "x-original-uri", "cookie", "x-ncp-apigw-api-key"][dice.roll(4)], secret.to_owned()));
    }
    if headers.is_empty() || !headers.iter().any(|(name, _)| name.starts_with("x-ncp-")) {
        headers.push((TIMESTAMP, timestamp.clone()));
    }
    let right = STANDARD.encode(signature::digest(method, &target, &timestamp, name, secret));
    Wrong { method, target, headers, body, signatures: vec![right, standard] }
}

#[tokio::test]
async fn a_thousand_refusals_show_no_secret_and_no_valid_signature() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (_, email, person) = work::person(&admin, &[]).await;
        let Login::Signature { access_key, secret_key, .. } = work::access_key(&admin, Some(&email), &json!({})).await else {
            unreachable!("a key")
        };
        let house = House { visitor: hub.visitor(), admin, person, access_key, secret_key };
        let mut dice = Dice(SEED);
        let requests: Vec<Wrong> = (0..REFUSALS).map(|_| wrong(&house, &mut dice)).collect();
        let signatures: Vec<String> = requests.iter().flat_map(|request| request.signatures.clone()).collect();
        let read: usize = stream::iter(requests)
            .map(|request| refused(&house, request))
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .sum();
        assert!(read > 900, "{read} of them were read by somebody");
        in_files(&hub, &house.secret_key, &signatures);
    })
    .await;
}

/// Sends a request that is refused and reads why; gives how many could read it.
async fn refused(house: &House, request: Wrong) -> usize {
    let call = house.visitor.call(request.method, &request.target).headers(request.headers.clone());
    let answer = call.body("application/json", request.body.clone()).send().await.is(401);
    let id = answer.header("x-madang-refusal").expect("a name").to_owned();
    let mut texts = vec![format!("{:?} {}", answer.headers, answer.text)];
    let mut read = 0;
    for client in [&house.person, &house.admin] {
        let told = client.get(&format!("/madang/v1/refusals/{id}")).send().await;
        assert!([200, 404].contains(&told.status), "{told}");
        read += usize::from(told.status == 200);
        texts.push(format!("{:?} {}", told.headers, told.text));
    }
    assert!(read <= 1, "either its owner or an administrator");
    let encoded = signature::percent(&house.secret_key);
    let secrets = [house.secret_key.clone(), encoded.clone(), encoded.to_uppercase(), STANDARD.encode(&house.secret_key)];
    for secret in secrets.iter().chain(&request.signatures) {
        let bare = secret.trim_end_matches('=');
        assert!(!texts.iter().any(|text| text.contains(bare)), "{bare} in {texts:#?}");
    }
    read
}

/// Looks through every file of the hub but the two that are there to hold secrets.
fn in_files(hub: &Hub, secret: &str, signatures: &[String]) {
    let mut files = Vec::new();
    collect(&hub.data_dir, &mut files);
    files.retain(|path| !["credentials.json", "secrets.toml"].iter().any(|name| path.ends_with(name)));
    assert!(!files.is_empty());
    for path in files.iter().filter(|path| path.to_string_lossy().contains("gateway") || path.extension().is_some_and(|kind| kind == "log"))
    {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        assert!(!text.contains(secret), "the secret in {}", path.display());
        let found = signatures.iter().find(|signature| text.contains(signature.trim_end_matches('=')));
        assert!(found.is_none(), "{found:?} in {}", path.display());
    }
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}
