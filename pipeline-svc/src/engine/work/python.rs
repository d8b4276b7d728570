//! Python steps: a command that the operator configured runs our runner, which runs the script.
//!
//! The interpreter gets rows as CSV files and gives rows back the same way; nothing is shared with it. `prlimit` bounds its memory and
//! time of computing. Where the kernel allows it, `unshare` takes the network away, hides the hub's data folder and ends whatever the
//! script leaves running.

use std::{
    collections::HashMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use futures::TryStreamExt;
use madang_kit::{Code, Error, Result};
use madang_lake::{Column, ColumnType, ExportFormat, Format, Input, Limits, OwnRowIds, Schema, Snapshot, TableId, export};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    sync::OnceCell,
};

use super::{
    super::{
        output::{self, Rows},
        step::{Task, lake_error},
        walk::Walk,
    },
    script::Raised,
};

/// Our side inside the interpreter.
const RUNNER: &str = include_str!("runner.py");
/// Bytes of what a script prints that are kept.
const MAX_PRINTED: u64 = 64 << 10;
/// What the runner leaves behind, and the most bytes of it.
const ANSWER: &str = "answer.json";
const MAX_ANSWER: u64 = 1 << 20;
/// How long the pipes of an ended script are read on.
const PIPES_WITHIN: Duration = Duration::from_secs(2);
/// Lines of what a script prints that go into the run's log.
const MAX_LINES: usize = 200;
/// Bytes of all files that a script may write.
const MAX_FILE_BYTES: u64 = 2 << 30;
/// Files that a script may have open.
const MAX_OPEN_FILES: u32 = 256;
/// Hides a folder, then lets the command go without the right to bring it back.
const HIDE: &str = r#"mount -t tmpfs -o size=4k,mode=755 tmpfs "$1" && shift && exec unshare --user --map-current-user -- "$@""#;

/// How Python is run here.
#[derive(Clone, Debug)]
pub(crate) struct Python(Arc<Options>);

/// What the operator set.
#[derive(Debug)]
struct Options {
    command: Option<Vec<String>>,
    seconds: u32,
    bytes: u64,
    /// Where files are exchanged; outside of what is hidden.
    scratch: PathBuf,
    /// What the script must not see.
    hidden: PathBuf,
    isolates: OnceCell<bool>,
}

/// What a script returned, as the runner tells it.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    outputs: HashMap<String, Vec<AnswerColumn>>,
    error: Option<String>,
    stack: Option<String>,
}

#[derive(Deserialize)]
struct AnswerColumn {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

impl Python {
    /// Python by a command, its words parted by blanks; without one every Python step fails.
    pub(crate) fn new(command: Option<&str>, seconds: u32, bytes: u64, scratch: PathBuf, hidden: PathBuf) -> Self {
        let hidden = hidden.canonicalize().unwrap_or(hidden); // scripts start in another folder
        let command = command.map(|text| text.split_whitespace().map(str::to_owned).collect()).filter(|words: &Vec<_>| !words.is_empty());
        Self(Arc::new(Options { command, seconds, bytes, scratch, hidden, isolates: OnceCell::new() }))
    }

    /// A folder that is gone when it is dropped.
    pub(super) fn folder(&self) -> Result<TempDir> {
        tempfile::Builder::new().prefix("madang-step-").tempdir_in(&self.0.scratch).map_err(Error::internal)
    }

    /// The command line around the interpreter.
    async fn command(&self, folder: &Path) -> Result<Command> {
        let Some(words) = &self.0.command else {
            return Err(Error::new(Code::Invalid, "Python is not set up here: the operator has to set pipeline.python"));
        };
        let limits = [
            format!("--as={}", self.0.bytes),
            format!("--cpu={}", self.0.seconds),
            format!("--fsize={MAX_FILE_BYTES}"),
            format!("--nofile={MAX_OPEN_FILES}"),
            "--core=0".to_owned(),
        ];
        let mut line: Vec<String> = Vec::new();
        if self.isolates().await {
            line.extend(isolation().map(str::to_owned));
            line.extend(["sh", "-c", HIDE, "sh"].map(str::to_owned));
            line.push(self.0.hidden.display().to_string());
        }
        line.push("prlimit".to_owned());
        line.extend(limits);
        line.push("--".to_owned());
        line.extend(words.iter().cloned());
        let (program, arguments) = line.split_first().ok_or_else(|| Error::internal("no command"))?;
        let mut command = Command::new(program);
        command.args(arguments).arg(folder.join("runner.py")).current_dir(folder).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder).env("LANG", "C.UTF-8");
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1").env("PYTHONIOENCODING", "utf-8:replace");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        Ok(command)
    }

    /// Whether the kernel lets us put a script into namespaces of its own; asked once.
    async fn isolates(&self) -> bool {
        let ask = || async {
            let mut probe = Command::new("unshare");
            probe.args(isolation().skip(1)).args(["sh", "-c", HIDE, "sh"]).arg(&self.0.hidden).arg("true");
            let possible =
                probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().await.is_ok_and(|status| status.success());
            if !possible {
                tracing::warn!(
                    "Python steps run without isolation: this kernel gives no namespaces; give pipeline.python a command that isolates"
                );
            }
            possible
        };
        *self.0.isolates.get_or_init(ask).await
    }
}

impl Options {
    /// How long a script may take by the clock on the wall.
    fn time(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}

/// User, mount, network and process namespaces of its own; whatever is left of it ends with it.
fn isolation() -> impl Iterator<Item = &'static str> {
    ["unshare", "--user", "--map-root-user", "--mount", "--net", "--pid", "--fork", "--kill-child=KILL", "--"].into_iter()
}

/// Runs a script's function `run` over the inputs.
pub(super) async fn run(walk: &Walk<'_>, task: &mut Task<'_>, script: &str, options: &Map<String, Value>) -> Result<()> {
    let python = &walk.engine.0.python;
    let folder = python.folder()?;
    let mut command = python.command(folder.path()).await?;
    hand_over(walk, task, folder.path(), script, options).await?;
    let child = command.spawn().map_err(|error| {
        tracing::error!(error = %error, "the interpreter does not start");
        Error::new(Code::Invalid, "the interpreter that the operator configured does not start")
    })?;
    let ended = wait(child, python.0.time()).await?;
    for (level, text) in [("INFO", &ended.out), ("WARN", &ended.err)] {
        for line in text.lines().filter(|line| !line.trim().is_empty()).take(MAX_LINES) {
            task.say(level, line);
        }
    }
    match answer(&folder.path().join(ANSWER)).await {
        Some(Answer { error: Some(error), stack, .. }) => Err(raised(error, stack)),
        Some(answer) if ended.well => take_back(walk, task, folder.path(), answer.outputs).await,
        _ => Err(Error::new(Code::Invalid, limits_reached(&python.0))),
    }
}

/// Writes the script, what it is given and the rows of each input.
async fn hand_over(walk: &Walk<'_>, task: &Task<'_>, folder: &Path, script: &str, options: &Map<String, Value>) -> Result<()> {
    let mut inputs = Map::new();
    for (number, (name, rows)) in task.inputs.rows.iter().enumerate() {
        let file = format!("in-{number}.csv");
        write_rows(walk, rows, &folder.join(&file)).await?;
        let columns = rows.schema.columns.iter().map(|column| json!({"name": column.name, "type": column.kind.name()}));
        inputs.insert(name.clone(), json!({"file": file, "columns": columns.collect::<Vec<_>>()}));
    }
    let names: Vec<&String> = task.step.outputs.keys().chain(&task.step.fed).collect();
    let call = json!({"inputs": inputs, "outputs": names, "options": options, "parameters": walk.claim.parameters});
    for (name, text) in [("runner.py", RUNNER.to_owned()), ("script.py", script.to_owned()), ("call.json", call.to_string())] {
        tokio::fs::write(folder.join(name), text).await.map_err(Error::internal)?;
    }
    Ok(())
}

async fn write_rows(walk: &Walk<'_>, rows: &Snapshot, path: &Path) -> Result<()> {
    let mut pieces = export(output::read(walk, rows).await?, ExportFormat::Csv);
    let mut file = tokio::fs::File::create(path).await.map_err(Error::internal)?;
    while let Some(piece) = pieces.try_next().await.map_err(lake_error)? {
        file.write_all(&piece).await.map_err(Error::internal)?;
    }
    file.flush().await.map_err(Error::internal)
}

/// What the runner left behind, if it got that far.
async fn answer(path: &Path) -> Option<Answer> {
    own_file(path, MAX_ANSWER).await.ok()?;
    serde_json::from_slice(&tokio::fs::read(path).await.ok()?).ok()
}

/// Refuses what a script may have put in the place of a file, so that we read nothing that it can't read.
async fn own_file(path: &Path, max_bytes: u64) -> Result<()> {
    let found = tokio::fs::symlink_metadata(path).await.ok().filter(|found| found.is_file() && found.len() <= max_bytes);
    if found.is_some_and(|found| found.nlink() == 1) { Ok(()) } else { Err(Error::new(Code::Invalid, "the script left no such output")) }
}

/// How the interpreter ended.
struct Ended {
    well: bool,
    out: String,
    err: String,
}

/// Waits for the end, at most so long. What the script left running may hold the pipes; it is not waited for.
async fn wait(mut child: Child, at_most: Duration) -> Result<Ended> {
    let printed = [tokio::spawn(printed(child.stdout.take())), tokio::spawn(printed(child.stderr.take()))];
    let well = if let Ok(status) = tokio::time::timeout(at_most, child.wait()).await {
        status.map_err(Error::internal)?.success()
    } else {
        child.kill().await.map_err(Error::internal)?;
        false
    };
    let mut texts = Vec::new();
    for task in printed {
        let stop = task.abort_handle();
        texts.push(tokio::time::timeout(PIPES_WITHIN, task).await.ok().and_then(std::result::Result::ok).unwrap_or_default());
        stop.abort();
    }
    let err = texts.pop().unwrap_or_default();
    Ok(Ended { well, out: texts.pop().unwrap_or_default(), err })
}

/// The first bytes of a pipe; the rest is read and dropped, so that the script is not held up.
async fn printed(pipe: Option<impl tokio::io::AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut kept = Vec::new();
    let _ = (&mut pipe).take(MAX_PRINTED).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
}

/// Stages what the script returned for each output.
async fn take_back(walk: &Walk<'_>, task: &mut Task<'_>, folder: &Path, outputs: HashMap<String, Vec<AnswerColumn>>) -> Result<()> {
    let mut wanted: Vec<String> = task.step.outputs.keys().chain(&task.step.fed).cloned().collect();
    wanted.sort();
    wanted.dedup();
    for (number, name) in wanted.iter().enumerate() {
        let missing = || Error::new(Code::Invalid, format!("run returned no '{name}'"));
        let columns = outputs.get(name).ok_or_else(missing)?;
        let kind = |column: &AnswerColumn| Column {
            name: column.name.clone(),
            kind: ColumnType::parse(&column.kind).unwrap_or(ColumnType::String),
            nullable: true,
        };
        let schema = Schema { columns: columns.iter().map(kind).collect() };
        let path = folder.join(format!("out-{number}.csv"));
        own_file(&path, MAX_FILE_BYTES).await?;
        let input = Input { path, format: Format::Csv, delimiter: Some(b',') };
        let table = TableId::new_scratch();
        let staged = walk.engine.0.lake.stage(&table, &input, &schema, &Limits::STEP, &OwnRowIds::default()).await.map_err(lake_error)?;
        let rows = Snapshot::new(table, 0, schema, staged.files);
        task.inputs.scratch.push(rows.clone());
        output::place(walk, task, Rows::Kept(rows), Some(name)).await?;
    }
    Ok(())
}

fn raised(error: String, stack: Option<String>) -> Error {
    let cause = stack.map(|stack| Box::new(Raised { stack }) as Box<dyn std::error::Error + Send + Sync>);
    Error { code: Code::Invalid, message: error, fields: Vec::new(), cause }
}

fn limits_reached(options: &Options) -> String {
    format!(
        "the interpreter was ended before it answered; the limits are {} seconds and {} bytes of memory",
        options.seconds, options.bytes
    )
}
