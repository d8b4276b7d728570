//! The samples of docs/samples: each signs all vectors, sends one signed request to every hub, and writes through one.
//!
//! A language that is not installed fails the test where the samples have to run (`CI`), and is told loudly elsewhere.
//! `cargo xtask test` installs them where it may.

use std::{path::Path, process::Output};

use madang_tests::{hubs, note, work};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;

const VECTORS: &str = include_str!("../../../docs/samples/vectors.json");
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/samples");

#[derive(Deserialize)]
struct Vector {
    name: String,
    method: String,
    target: String,
    timestamp: String,
    access_key: String,
    secret_key: String,
    signature: String,
}

/// A program with its first arguments, and what tells whether it is there.
struct Sample {
    program: &'static str,
    file: Option<&'static str>,
    needs: &'static [(&'static str, &'static [&'static str])],
}

const SAMPLES: [Sample; 5] = [
    Sample { program: "python3", file: Some("sign.py"), needs: &[("python3", &["--version"])] },
    Sample { program: "java", file: Some("Sign.java"), needs: &[("java", &["--version"]), ("java", &["--list-modules"])] },
    Sample { program: "node", file: Some("sign.mjs"), needs: &[("node", &["--version"])] },
    Sample {
        program: "bash",
        file: Some("sign.sh"),
        needs: &[("bash", &["--version"]), ("openssl", &["version"]), ("curl", &["--version"]), ("od", &["--version"])],
    },
    Sample { program: env!("CARGO_BIN_EXE_sign"), file: None, needs: &[] },
];

impl Sample {
    async fn run(&self, access_key: &str, secret_key: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.program);
        command.args(self.file.map(|file| Path::new(FOLDER).join(file))).args(arguments);
        command.env("ACCESS_KEY", access_key).env("SECRET_KEY", secret_key).env("NO_PROXY", "*").env("no_proxy", "*");
        command.env("PYTHONDONTWRITEBYTECODE", "1").kill_on_drop(true).output().await.expect("it starts")
    }

    /// What it prints; it must succeed.
    async fn prints(&self, access_key: &str, secret_key: &str, arguments: &[&str]) -> String {
        let output = self.run(access_key, secret_key, arguments).await;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{} {arguments:?}: {out} {err}", self.program);
        out.trim().to_owned()
    }

    /// Whether it can run here. Where it has to, it is a failure that it can't.
    async fn is_here(&self) -> bool {
        for (program, arguments) in self.needs {
            let found = Command::new(program).args(*arguments).output().await;
            let here = found.as_ref().is_ok_and(|output| {
                // Single files are run by the compiler's module, which a bare Java runtime lacks.
                output.status.success()
                    && (!arguments.contains(&"--list-modules") || String::from_utf8_lossy(&output.stdout).contains("jdk.compiler"))
            });
            if !here {
                let told = format!("THE SAMPLE OF {} WAS NOT TRIED: {program} {arguments:?} does not work on this machine", self.program);
                assert!(std::env::var_os("CI").is_none(), "{told}");
                note(&told);
                return false;
            }
        }
        true
    }
}

async fn each_sample<F, W>(check: F)
where
    F: Fn(&'static Sample) -> W,
    W: Future<Output = ()>,
{
    static HERE: [Sample; 5] = SAMPLES;
    let mut tried = 0;
    for sample in &HERE {
        if sample.is_here().await {
            check(sample).await;
            tried += 1;
        }
    }
    assert!(tried >= 1, "the one in Rust is always here");
}

#[tokio::test]
async fn every_sample_signs_every_vector() {
    let vectors: &'static Vec<Vector> = Box::leak(Box::new(serde_json::from_str(VECTORS).expect("vectors")));
    assert_eq!(vectors.len(), 8);
    each_sample(|sample| async move {
        for vector in vectors {
            let arguments = ["sign", &vector.method, &vector.target, &vector.timestamp];
            let signature = sample.prints(&vector.access_key, &vector.secret_key, &arguments).await;
            assert_eq!(signature, vector.signature, "{}: {}", sample.program, vector.name);
        }
    })
    .await;
}

#[tokio::test]
async fn every_sample_opens_every_hub() {
    each_sample(|sample| async move {
        for hub in hubs() {
            let credentials = hub.credentials();
            let (access_key, secret_key) = (credentials.access_key.as_str(), credentials.secret_key.as_str());
            let who = format!("{}/madang/v1/whoami?name=%EA%B0%80%20b&empty=&x", hub.http);
            let told: Value = serde_json::from_str(&sample.prints(access_key, secret_key, &["call", "GET", &who]).await).expect("JSON");
            assert_eq!(told["scheme"], "ncp-signature-v2", "{}", sample.program);

            let name = work::unique("예제");
            let body = json!({"name": name}).to_string();
            let collections = format!("{}/api/v1/collections", hub.http);
            let made: Value =
                serde_json::from_str(&sample.prints(access_key, secret_key, &["call", "POST", &collections, &body]).await).expect("JSON");
            assert_eq!(made["name"], name.as_str(), "{}", sample.program);

            let refused = sample.run(access_key, "wrong", &["call", "GET", &who]).await;
            assert!(!refused.status.success(), "{}: a wrong secret opens nothing", sample.program);
        }
    })
    .await;
}
