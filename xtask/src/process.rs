//! Starts programs, and stops them again whatever happens.
//!
//! Every program runs in a process group of its own and is registered with a *guard*: a second copy of this program that
//! holds the reading end of a pipe. When xtask ends (normally, by an error, by Ctrl-C, by SIGTERM or even SIGKILL) the
//! pipe closes, and the guard stops what is still registered and removes the temporary folders. So there is one way of
//! stopping, it needs no signal handler, and it kills only what was started here.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, BufRead as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, thread};

use anyhow::{Context as _, Result, bail};

/// The hidden command under which the guard runs.
pub(crate) const GUARD_COMMAND: &str = "guard";

/// How often something that is waited for is looked at.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// How long a program may take to stop before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Nothing was tried: this machine lacks something, or the arguments are wrong. Exit code 2.
#[derive(Debug)]
pub(crate) struct CannotStart(pub(crate) String);

impl fmt::Display for CannotStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CannotStart {}

/// The signal by which a program is asked to stop. Those that get `Interrupt` are asked after the others have gone.
#[derive(Clone, Copy)]
pub(crate) enum Stop {
    Terminate,
    /// PostgreSQL's "fast shutdown".
    Interrupt,
}

impl Stop {
    const IN_ORDER: [Stop; 2] = [Stop::Terminate, Stop::Interrupt];

    fn signal(self) -> &'static str {
        match self {
            Stop::Terminate => "TERM",
            Stop::Interrupt => "INT",
        }
    }
}

/// The owner of all started programs and temporary folders. Dropping it stops and removes them.
pub(crate) struct Guard {
    state: Mutex<State>,
}

struct State {
    helper: Child,
    orders: Option<ChildStdin>,
    started: Vec<Child>,
}

/// A program that runs until the guard is dropped.
#[derive(Clone, Copy)]
pub(crate) struct Running {
    pid: u32,
}

impl Guard {
    pub(crate) fn start() -> Result<Self> {
        let program = env::current_exe().context("cannot tell which program this is")?;
        let mut helper = Command::new(program)
            .arg(GUARD_COMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start the guard process")?;
        let orders = helper.stdin.take();
        Ok(Self { state: Mutex::new(State { helper, orders, started: Vec::new() }) })
    }

    /// Starts a program that goes on in the background.
    pub(crate) fn spawn(&self, command: &mut Command, stop: Stop) -> Result<Running> {
        let child = self.launch(command, stop)?;
        let pid = child.id();
        self.state().started.push(child);
        Ok(Running { pid })
    }

    /// How a background program ended, if it has.
    pub(crate) fn ended(&self, running: Running) -> Result<Option<ExitStatus>> {
        let mut state = self.state();
        let child = state.started.iter_mut().find(|child| child.id() == running.pid).context("a program that was never started")?;
        Ok(child.try_wait()?)
    }

    /// Runs a program to its end; it writes where xtask writes.
    pub(crate) fn run(&self, command: &mut Command) -> Result<ExitStatus> {
        let mut child = self.launch(command, Stop::Terminate)?;
        let status = child.wait()?;
        self.order(&format!("forget {}", child.id()))?;
        Ok(status)
    }

    /// Runs a program to its end and returns what it wrote to its standard output.
    pub(crate) fn capture(&self, command: &mut Command) -> Result<(ExitStatus, String)> {
        let child = self.launch(command.stdout(Stdio::piped()), Stop::Terminate)?;
        let pid = child.id();
        let output = child.wait_with_output()?;
        self.order(&format!("forget {pid}"))?;
        Ok((output.status, String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// A new folder that goes away with the guard. Other users may pass through it, because PostgreSQL runs as one of them.
    pub(crate) fn temporary_folder(&self) -> Result<PathBuf> {
        let nanoseconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.subsec_nanos();
        let folder = env::temp_dir().join(format!("madang-{}-{nanoseconds:x}", std::process::id()));
        fs::DirBuilder::new().mode(0o711).create(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        self.order(&format!("remove {}", folder.display()))?;
        Ok(folder)
    }

    fn launch(&self, command: &mut Command, stop: Stop) -> Result<Child> {
        let name = command.get_program().to_string_lossy().into_owned();
        // Without standard input: a process group in the background would be stopped when it reads from the terminal.
        let child = command.stdin(Stdio::null()).process_group(0).spawn().with_context(|| format!("cannot start {name}"))?;
        self.order(&format!("watch {} {}", stop.signal(), child.id()))?;
        Ok(child)
    }

    fn order(&self, line: &str) -> Result<()> {
        match &mut self.state().orders {
            Some(pipe) => writeln!(pipe, "{line}").context("the guard process is gone"),
            None => bail!("the guard process is gone"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut state = self.state();
        state.orders = None; // the pipe closes, and the guard begins to stop everything
        let deadline = Instant::now() + 3 * STOP_WITHIN;
        // Ended programs must be collected meanwhile: until then they look alive to the guard.
        while !state.started.is_empty() {
            state.started.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
            if Instant::now() > deadline {
                for child in &mut state.started {
                    child.kill().ok();
                }
            }
            thread::sleep(POLL);
        }
        state.helper.wait().ok();
    }
}

/// The guard itself: notes what it is told line by line, and cleans up when the pipe closes.
pub(crate) fn guard_main() -> ExitCode {
    let mut watched: Vec<(String, u32)> = Vec::new();
    let mut folders: Vec<PathBuf> = Vec::new();
    for line in io::stdin().lock().lines().map_while(io::Result::ok) {
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match (verb, rest.split_once(' ')) {
            ("watch", Some((signal, pid))) => watched.extend(pid.parse().ok().map(|pid| (signal.to_owned(), pid))),
            ("forget", None) => watched.retain(|(_, pid)| rest.parse() != Ok(*pid)),
            ("remove", _) => folders.push(PathBuf::from(rest)),
            _ => eprintln!("the guard does not understand: {line}"),
        }
    }
    for stop in Stop::IN_ORDER {
        let groups: Vec<u32> = watched.iter().filter(|(signal, _)| signal == stop.signal()).map(|(_, pid)| *pid).collect();
        stop_groups(groups, stop.signal());
    }
    for folder in folders {
        if let Err(error) = fs::remove_dir_all(&folder) {
            eprintln!("cannot remove {}: {error}", folder.display());
        }
    }
    ExitCode::SUCCESS
}

fn stop_groups(mut groups: Vec<u32>, signal: &str) {
    for group in &groups {
        send(signal, *group);
    }
    let deadline = Instant::now() + STOP_WITHIN;
    loop {
        groups.retain(|group| send("0", *group));
        if groups.is_empty() {
            return;
        }
        if Instant::now() > deadline {
            break;
        }
        thread::sleep(POLL);
    }
    for group in &groups {
        send("KILL", *group);
    }
}

/// Sends a signal to a process group; false if nothing is left of it. The shell's own `kill` is on every machine.
fn send(signal: &str, group: u32) -> bool {
    let script = r#"kill -s "$1" -- "-$2""#;
    let status = Command::new("sh").args(["-c", script, "sh", signal, &group.to_string()]).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Cargo, as a person would call it from the shell.
///
/// `cargo run` describes xtask's own package to it in variables; some build scripts ask to be run again when those change,
/// so passing them on would rebuild half the tree at each switch between `cargo xtask` and plain `cargo`.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        if name.to_str().is_some_and(|name| ours.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
    command
}

/// A command without this person's own settings of Madang and PostgreSQL.
pub(crate) fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    forget_settings(&mut command);
    command
}

pub(crate) fn forget_settings(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("MADANG_") || name.starts_with("PG")) {
            command.env_remove(name);
        }
    }
}

/// The root of the workspace, from wherever inside it the command was typed.
pub(crate) fn root() -> Result<PathBuf> {
    let here = env::current_dir()?;
    let root = here.ancestors().find(|folder| folder.join("xtask/Cargo.toml").is_file());
    Ok(root.with_context(|| format!("{} is not inside the workspace", here.display()))?.to_path_buf())
}

/// The first folder of PATH that has all these programs.
pub(crate) fn find_in_path(programs: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).find(|folder| has_all(folder, programs))
}

pub(crate) fn has_all(folder: &Path, programs: &[&str]) -> bool {
    programs.iter().all(|program| folder.join(program).is_file())
}

/// A port of 127.0.0.1 that is free now and that no outgoing connection is given: those come from higher numbers.
pub(crate) fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let spread = u16::try_from(std::process::id() % 10_000)?;
    for _ in 0..10_000 {
        let port = 20_000 + spread.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port of 127.0.0.1 between 20000 and 29999 is free")
}

/// The exit code of a program as a shell would report it.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// A log to which several programs may write, one after another or at once.
pub(crate) fn log_file(path: &Path) -> Result<fs::File> {
    fs::File::options().create(true).append(true).open(path).with_context(|| format!("cannot write {}", path.display()))
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path, lines: usize) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    let last = &all[all.len().saturating_sub(lines)..];
    if last.is_empty() { "    (empty)".to_owned() } else { format!("    {}", last.join("\n    ")) }
}

/// Runs one stage of a longer command, saying how long it took.
pub(crate) fn stage<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("== {name}");
    let began = Instant::now();
    let result = work();
    let outcome = if result.is_ok() { "" } else { ", failed" };
    eprintln!("== {name}: {:.1} s{outcome}", began.elapsed().as_secs_f64());
    result
}
