//! The program under test, started without the settings of whoever runs the tests.

use std::process::Output;

use tokio::process::Command;

/// A call of `madang` that is killed with its test.
pub(crate) fn madang(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_madang"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MADANG_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).kill_on_drop(true);
    command
}

/// Runs a call to its end.
pub(crate) async fn run(command: &mut Command) -> Output {
    command.output().await.expect("the program starts")
}

/// What a program wrote.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Sends a process a signal: `KILL`, `TERM`, `STOP`, `CONT`.
pub(crate) async fn signal(process: u32, name: &str) {
    let sent = Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &process.to_string()]).status().await;
    assert!(sent.expect("sh").success());
}
