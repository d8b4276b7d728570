//! Each mistake, made on purpose, gets its verdict.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;

const NAME: &str = "ncp_iam_BPKRSAMPLE0123456789";
const SECRET: &str = "ncp_iam_Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFy";
const NOW: i64 = 1_772_400_000_123;
const TARGET: &str = "/api/v1/jobs?page=0&limit=1000&name=%EB%A7%A4%20%2F";

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// What was sent, and what was signed.
struct Case {
    method: &'static str,
    target: &'static str,
    timestamp: String,
    name: String,
    key: Vec<u8>,
    text: String,
    headers: Vec<(&'static str, &'static str)>,
    body: &'static str,
    standing: Standing,
}

impl Default for Case {
    fn default() -> Self {
        Self::signing(TARGET)
    }
}

impl Case {
    /// A good request but for the target that is signed.
    fn signing(target: &str) -> Self {
        Self {
            method: "GET",
            target: TARGET,
            timestamp: NOW.to_string(),
            name: NAME.to_owned(),
            key: SECRET.into(),
            text: format!("GET {target}\n{NOW}\n{NAME}"),
            headers: vec![("host", "hub.example.com:8443")],
            body: "",
            standing: Standing::Good,
        }
    }

    fn text(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    fn signature(&self) -> String {
        STANDARD.encode(hmac(&self.key, self.text.as_bytes()))
    }

    fn explained(&self) -> Explanation {
        self.with(&self.signature())
    }

    /// With another spelling of the signature.
    fn with(&self, signature: &str) -> Explanation {
        let own = [
            ("x-ncp-apigw-timestamp", self.timestamp.as_str()),
            ("x-ncp-iam-access-key", self.name.as_str()),
            ("x-ncp-apigw-signature-v2", signature),
        ];
        let headers: Vec<_> = own.into_iter().chain(self.headers.iter().copied()).collect();
        let mut request = Captured::new(self.method, self.target, &headers, |name| name == NAME, NOW);
        request.body = Kept::whole(self.body.as_bytes());
        let halves = KeyHalves { access_key: NAME, secret: SECRET, standing: self.standing };
        let key = if self.name == SECRET { Key::NamedBySecret(halves) } else { Key::Named(halves) };
        let explanation = explain(&request, key, false, &[]);
        let told = serde_json::to_string(&explanation).expect("JSON");
        let right =
            STANDARD.encode(hmac(SECRET.as_bytes(), format!("{} {}\n{}\n{NAME}", self.method, self.target, self.timestamp).as_bytes()));
        for secret in [SECRET, signature, &right, right.trim_end_matches('=')] {
            assert!(!told.contains(secret), "{secret} in {told}");
        }
        explanation
    }
}

#[track_caller]
fn verdicts(explanation: &Explanation, expected: &[&str]) {
    let names: Vec<_> = explanation.verdicts.iter().map(|verdict| verdict.mistake).collect();
    assert_eq!(names, expected, "{explanation:#?}");
    assert_eq!(explanation.verdict, expected[0]);
}

#[test]
fn a_good_signature_is_told_as_such() {
    let explanation = Case::default().explained();
    verdicts(&explanation, &["signature_holds"]);
    assert_eq!(explanation.string_to_sign, format!("GET {TARGET}⏎{NOW}⏎{NAME}"));
    assert_eq!(explanation.clock_off_ms, Some(0));
}

#[test]
fn wrong_times() {
    let seconds = (NOW / 1_000).to_string();
    let both = Case { timestamp: seconds.clone(), text: format!("GET {TARGET}\n{seconds}\n{NAME}"), ..Case::default() };
    verdicts(&both.explained(), &["seconds_instead_of_milliseconds"]);
    let in_header = Case { timestamp: seconds.clone(), text: format!("GET {TARGET}\n{seconds}000\n{NAME}"), ..Case::default() };
    verdicts(&in_header.explained(), &["seconds_instead_of_milliseconds"]);
    let late = NOW - 3_600_000 * 9;
    let case = Case { timestamp: late.to_string(), text: format!("GET {TARGET}\n{late}\n{NAME}"), ..Case::default() };
    let explanation = case.explained();
    verdicts(&explanation, &["clock_off"]);
    assert_eq!(explanation.clock_off_ms, Some(-9 * 3_600_000));
    assert!(explanation.verdicts[0].explanation.contains("9 h 0 min 0 s (32400000 ms) behind"), "{explanation:?}");
    verdicts(&Case::text(&format!("GET {TARGET}\n{}\n{NAME}", NOW + 7)).explained(), &["two_clock_reads"]);
}

#[test]
fn wrong_targets() {
    let cases = [
        ("/api/v1/jobs", "query_missing"),
        ("/api/v1/jobs?limit=1000&name=%EB%A7%A4%20%2F&page=0", "query_reordered"),
        ("https://hub.example.com:8443/api/v1/jobs?page=0&limit=1000&name=%EB%A7%A4%20%2F", "host_in_target"),
        ("hub.example.com/api/v1/jobs?page=0&limit=1000&name=%EB%A7%A4%20%2F", "host_in_target"),
        ("https://dataflow.apigw.ntruss.com/api/v1/jobs?page=0&limit=1000&name=%EB%A7%A4%20%2F", "host_in_target"),
        ("/api/v1/jobs?page=0&limit=1000&name=%eb%a7%a4%20%2f", "percent_encoding_differs"),
        ("/api/v1/jobs?page=0&limit=1000&name=매 /", "percent_encoding_differs"),
        ("/api/v1/jobs?page=0&limit=1000&name=%EB%A7%A4+%2F", "percent_encoding_differs"),
        ("/api/v1/jobs?page=0&limit=1000&name=%EB%A7%A4%20/", "percent_encoding_differs"),
        ("/jobs?page=0&limit=1000&name=%EB%A7%A4%20%2F", "path_rewritten"),
        ("/gateway/api/v1/jobs?page=0&limit=1000&name=%EB%A7%A4%20%2F", "path_rewritten"),
        ("/api/v1/jobs/?page=0&limit=1000&name=%EB%A7%A4%20%2F", "path_rewritten"),
    ];
    for (signed, verdict) in cases {
        verdicts(&Case::signing(signed).explained(), &[verdict]);
    }
    let explanation = Case::signing("/api/v1/jobs?page=0&limit=1000&name=%EB%A7%A4+%2F").explained();
    assert!(explanation.verdicts[0].explanation.contains("at character 46"), "{explanation:?}");
    let proxied = Case {
        headers: vec![("x-forwarded-prefix", "/team-a/hub"), ("via", "1.1 proxy")],
        ..Case::signing(&format!("/team-a/hub{TARGET}"))
    };
    verdicts(&proxied.explained(), &["path_rewritten"]);
    let original = Case { headers: vec![("x-original-uri", "/old?x=1")], ..Case::signing("/old?x=1") };
    verdicts(&original.explained(), &["path_rewritten"]);
}

#[test]
fn wrong_texts() {
    let good = format!("GET {TARGET}\n{NOW}\n{NAME}");
    let cases = [
        (good.replacen("GET", "POST", 1), "wrong_method"),
        (good.replacen("GET", "get", 1), "wrong_method"),
        (format!("{good}\n"), "trailing_newline"),
        (good.replace('\n', "\r\n"), "crlf"),
        (good.replace('\n', "\\n"), "escaped_newline"),
    ];
    for (text, verdict) in cases {
        verdicts(&Case::text(&text).explained(), &[verdict]);
    }
    for text in [format!("{good}\n{{\"a\":1}}"), format!("{good}{{\"a\":1}}"), "{\"a\":1}".to_owned()] {
        let case = Case { body: "{\"a\":1}", method: "POST", text: text.replacen("GET", "POST", 1), ..Case::default() };
        verdicts(&case.explained(), &["body_signed"]);
    }
}

#[test]
fn wrong_keys() {
    let lenient = STANDARD.decode(SECRET.replace('_', "/")).expect("a length that fits");
    verdicts(&Case { key: lenient, ..Case::default() }.explained(), &["secret_base64_decoded"]);
    verdicts(&Case { key: format!("{SECRET}\n").into(), ..Case::default() }.explained(), &["trailing_newline"]);
    let exchanged = Case { key: NAME.into(), ..Case::text(&format!("GET {TARGET}\n{NOW}\n{SECRET}")) };
    verdicts(&exchanged.explained(), &["access_key_and_secret_swapped"]);
    let sent = Case { name: SECRET.to_owned(), ..exchanged };
    let explanation = sent.explained();
    assert_eq!(explanation.verdict, "access_key_and_secret_swapped");
    assert!(explanation.string_to_sign.ends_with("⏎‹48 characters›"), "{explanation:?}");
    verdicts(&Case { key: b"another secret".to_vec(), ..Case::default() }.explained(), &["no_match"]);
    for (standing, verdict) in [(Standing::Disabled, "key_disabled"), (Standing::Expired, "key_expired")] {
        verdicts(&Case { standing, ..Case::default() }.explained(), &[verdict]);
    }
}

#[test]
fn wrong_spellings() {
    let case = Case::default();
    let digest = hmac(&case.key, case.text.as_bytes());
    let hex = madang_kit::hex(&digest);
    verdicts(&case.with(&hex), &["hex_digest"]);
    verdicts(&case.with(&hex.to_uppercase()), &["hex_digest"]);
    verdicts(&case.with(&STANDARD.encode(&hex)), &["hex_digest"]);
    verdicts(&case.with(case.signature().trim_end_matches('=')), &["padding_lost"]);
    // a digest whose base64 differs between the alphabets
    let case = (0..1_000)
        .map(|n| NOW - n)
        .map(|at| Case { timestamp: at.to_string(), text: format!("GET {TARGET}\n{at}\n{NAME}"), ..Case::default() })
        .find(|case| case.signature().contains('/'))
        .expect("one of a thousand");
    verdicts(&case.with(&URL_SAFE.encode(hmac(&case.key, case.text.as_bytes()))), &["url_safe_base64"]);
    verdicts(&case.with("not base64!"), &["header_malformed"]);
    assert!(!case.with(SECRET).string_to_sign.contains(SECRET));
}

#[test]
fn mistakes_made_together_are_all_told() {
    let crlf = Case::text(&format!("POST /api/v1/jobs\r\n{NOW}\r\n{NAME}"));
    verdicts(&crlf.explained(), &["wrong_method", "query_missing", "crlf"]);
    let late = NOW + 600_000;
    let case = Case { timestamp: late.to_string(), text: format!("GET /api/v1/jobs\n{late}\n{NAME}\n"), ..Case::default() };
    verdicts(&case.explained(), &["clock_off", "query_missing", "trailing_newline"]);
    verdicts(&case.with(case.signature().trim_end_matches('=')), &["clock_off", "query_missing", "trailing_newline", "padding_lost"]);
}

#[test]
fn a_secret_in_the_target_is_hidden_however_it_is_spelt() {
    let encoded: String = SECRET.bytes().flat_map(|byte| ["%".to_owned(), madang_kit::hex(&[byte]).to_uppercase()]).collect();
    for target in [format!("/x?secret={SECRET}&a=1"), format!("/x?secret={encoded}"), format!("/{}", SECRET.to_lowercase())] {
        let request = Captured::new("GET", &target, &[("x-ncp-iam-access-key", NAME)], |_| true, NOW);
        let halves = KeyHalves { access_key: NAME, secret: SECRET, standing: Standing::Good };
        for (key, secrets) in [(Key::Named(halves), &[][..]), (Key::Unknown, &[SECRET][..])] {
            let told = explain(&request, key, false, secrets).string_to_sign;
            assert!(!told.contains(SECRET) && !told.contains(&encoded) && !told.contains(&SECRET.to_lowercase()), "{told}");
        }
    }
}

#[test]
fn searching_takes_milliseconds() {
    let long = (0..200).fold(String::new(), |long, number| long + "&parameter" + &number.to_string() + "=%EA%B0%80");
    let target = format!("/api/v1/jobs?a=1{long}");
    let body = "x".repeat(MAX_BODY);
    let headers = [
        ("x-ncp-apigw-timestamp", "1772400000123"),
        ("x-ncp-iam-access-key", NAME),
        ("x-ncp-apigw-signature-v2", &STANDARD.encode([7; 32])),
    ];
    let mut request = Captured::new("POST", &target, &headers, |_| true, NOW);
    request.body = Kept::whole(body.as_bytes());
    let halves = KeyHalves { access_key: NAME, secret: SECRET, standing: Standing::Good };
    let began = std::time::Instant::now();
    verdicts(&explain(&request, Key::Named(halves), false, &[]), &["no_match"]);
    assert!(began.elapsed() < std::time::Duration::from_mins(1), "{:?}", began.elapsed()); // unoptimised, on a busy machine
}
