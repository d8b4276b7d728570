//! Small checks of what no compiler sees. Each is one function and carries its reason, which is printed with what it finds.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::process;

struct Check {
    reason: &'static str,
    find: fn(&Workspace) -> Vec<String>,
}

const CHECKS: &[Check] = &[
    Check { reason: "the map in ARCHITECTURE.md: who may know whom", find: forbidden_dependencies },
    Check { reason: "a test that is switched off says why, or nobody dares to switch it on again", find: unexplained_ignores },
    Check { reason: "what is not built yet answers 404; a placeholder would panic instead", find: placeholders },
    Check { reason: "both databases go through the same steps", find: unpaired_migrations },
    Check { reason: "whoever passes the tree on must know the terms of every file in it", find: unlicensed_fixtures },
    Check { reason: "a file that long has more than one subject", find: long_files },
];

const LINES_PER_FILE: usize = 600;

/// Licences that a fixture may have, as they are spelled in `tests/fixtures/README.md`.
const FIXTURE_LICENCES: &[&str] = &["Apache-2.0", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0", "MIT", "U.S. Government work"];

pub(crate) fn check(root: &Path) -> Result<()> {
    let workspace = Workspace::read(root)?;
    let mut problems = 0;
    for check in CHECKS {
        let found = (check.find)(&workspace);
        problems += found.len();
        for problem in &found {
            eprintln!("  {problem}");
        }
        if !found.is_empty() {
            eprintln!("    why: {}", check.reason);
        }
    }
    ensure!(problems == 0, "{problems} found");
    Ok(())
}

/// What the checks look at, read beforehand.
#[derive(Default)]
struct Workspace {
    root: PathBuf,
    crates: Vec<Crate>,
    /// Names of the files in `tests/fixtures`, and the text of its README.
    fixtures: BTreeSet<String>,
    fixtures_readme: String,
}

#[derive(Default)]
struct Crate {
    name: String,
    folder: PathBuf,
    /// Names of all direct dependencies, those for tests and builds included.
    dependencies: BTreeSet<String>,
    /// Its Rust files and their text, by path.
    sources: Vec<(PathBuf, String)>,
    sqlite_migrations: BTreeSet<String>,
    postgres_migrations: BTreeSet<String>,
}

impl Workspace {
    fn read(root: &Path) -> Result<Self> {
        let output = process::cargo().args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(root).output()?;
        ensure!(output.status.success(), "`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout)?;
        let packages = metadata["packages"].as_array().context("`cargo metadata` names no packages")?;
        let crates = packages.iter().map(Crate::read).collect::<Result<_>>()?;
        let fixtures = root.join("tests/fixtures");
        let fixtures_readme = fs::read_to_string(fixtures.join("README.md")).unwrap_or_default();
        Ok(Self { root: root.to_path_buf(), crates, fixtures: file_names(&fixtures)?, fixtures_readme })
    }

    /// A path as a person would write it.
    fn short(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    /// Every line of code that is not a comment and for which `is_bad` holds.
    fn lines(&self, is_bad: impl Fn(&str) -> bool, what: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (path, text) in self.crates.iter().flat_map(|package| &package.sources) {
            for (number, line) in text.lines().map(str::trim).enumerate() {
                if !line.starts_with("//") && is_bad(line) {
                    found.push(format!("{}:{}: {what}", self.short(path), number + 1));
                }
            }
        }
        found
    }
}

impl Crate {
    fn read(package: &Value) -> Result<Self> {
        let name = package["name"].as_str().context("a package without a name")?.to_owned();
        let manifest = package["manifest_path"].as_str().context("a package without a manifest")?;
        let folder = Path::new(manifest).parent().context("a manifest without a folder")?.to_path_buf();
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        let dependencies = dependencies.filter_map(|dependency| Some(dependency["name"].as_str()?.to_owned())).collect();
        let mut sources = Vec::new();
        for path in files(&folder)?.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            sources.push((path, text));
        }
        let sqlite_migrations = file_names(&folder.join("migrations/sqlite"))?;
        let postgres_migrations = file_names(&folder.join("migrations/postgres"))?;
        Ok(Self { name, folder, dependencies, sources, sqlite_migrations, postgres_migrations })
    }

    fn is_service(&self) -> bool {
        self.folder.to_string_lossy().ends_with("-svc")
    }
}

/// All files below a folder, in order.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    found.sort();
    Ok(found)
}

/// The names of all files below a folder; none if there is no such folder.
fn file_names(folder: &Path) -> Result<BTreeSet<String>> {
    let paths = if folder.is_dir() { files(folder)? } else { Vec::new() };
    Ok(paths.iter().filter_map(|path| Some(path.strip_prefix(folder).ok()?.display().to_string())).collect())
}

fn forbidden_dependencies(workspace: &Workspace) -> Vec<String> {
    let services: Vec<&str> = workspace.crates.iter().filter(|package| package.is_service()).map(|package| package.name.as_str()).collect();
    let mut found = Vec::new();
    for package in &workspace.crates {
        for dependency in &package.dependencies {
            if let Some(reason) = forbidden(&package.name, package.is_service(), dependency, services.contains(&dependency.as_str())) {
                found.push(format!(
                    "{}: {} depends on {dependency}, but {reason}",
                    workspace.short(&package.folder.join("Cargo.toml")),
                    package.name
                ));
            }
        }
    }
    found
}

/// Why one crate may not depend on another, if so.
fn forbidden(name: &str, is_service: bool, dependency: &str, on_service: bool) -> Option<&'static str> {
    let is_engine = ["datafusion", "deltalake", "ballista"].iter().any(|engine| dependency.starts_with(engine));
    let is_http_server = ["axum", "hyper", "hyper-util", "tower-http"].contains(&dependency);
    let is_ours = dependency.starts_with("madang-");
    match name {
        _ if is_engine && name != "madang-lake-engine" => {
            Some("only madang-lake-engine knows the engine: all others compile and change without it")
        }
        "madang-gateway" if on_service => Some("the gateway reaches a service only through its gRPC client"),
        "madang-gateway" if dependency == "madang-lake-engine" => Some("the gateway runs no queries"),
        _ if is_service && on_service => Some("one service reaches another only through its gRPC client"),
        _ if is_service && is_http_server => Some("a service knows its domain and gRPC, not HTTP"),
        "madang-proto" | "xtask" if is_ours => Some("it stands below all other crates"),
        "madang-kit" | "madang-lake" if is_ours && dependency != "madang-proto" => Some("what all services share knows none of them"),
        "madang-lake-engine" if is_ours && dependency != "madang-lake" => Some("the engine serves the lake and knows no service"),
        "madang-tests" if is_ours && dependency != "madang-proto" => Some("the tests come through the front door, as a client would"),
        _ => None,
    }
}

fn unexplained_ignores(workspace: &Workspace) -> Vec<String> {
    workspace.lines(|line| line.starts_with("#[ignore]"), "a test is ignored without a reason: write #[ignore = \"…\"]")
}

fn placeholders(workspace: &Workspace) -> Vec<String> {
    // Put together from halves, so that this file does not find itself.
    let macros = [concat!("to", "do!("), concat!("unimpl", "emented!(")];
    workspace.lines(|line| macros.iter().any(|name| line.contains(name)), "a placeholder was left in")
}

fn unpaired_migrations(workspace: &Workspace) -> Vec<String> {
    let mut found = Vec::new();
    for package in &workspace.crates {
        for name in package.sqlite_migrations.symmetric_difference(&package.postgres_migrations) {
            let there = if package.sqlite_migrations.contains(name) { "sqlite" } else { "postgres" };
            let path = package.folder.join("migrations").join(there).join(name);
            found.push(format!("{}: the other database has no migration of this name", workspace.short(&path)));
        }
    }
    found
}

fn unlicensed_fixtures(workspace: &Workspace) -> Vec<String> {
    let names = workspace.fixtures.iter().filter(|name| *name != "README.md");
    let missing = names.filter(|name| !has_licence(&workspace.fixtures_readme, name));
    missing.map(|name| format!("tests/fixtures/{name}: has no line with its licence in tests/fixtures/README.md")).collect()
}

fn has_licence(readme: &str, file: &str) -> bool {
    let quoted = format!("`{file}`");
    readme.lines().any(|line| line.contains(&quoted) && FIXTURE_LICENCES.iter().any(|licence| line.contains(licence)))
}

fn long_files(workspace: &Workspace) -> Vec<String> {
    let mut found = Vec::new();
    for package in &workspace.crates {
        for (path, text) in package.sources.iter().filter(|(path, _)| path.starts_with(package.folder.join("src"))) {
            let lines = text.lines().count();
            if lines > LINES_PER_FILE {
                found.push(format!("{}: {lines} lines, more than {LINES_PER_FILE}", workspace.short(path)));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_of_crates_is_kept() {
        let refused = [
            ("madang-catalog", true, "datafusion", false),
            ("madang-lake", false, "deltalake-core", false),
            ("madang-gateway", false, "madang-catalog", true),
            ("madang-gateway", false, "madang-lake-engine", false),
            ("madang-pipeline", true, "madang-catalog", true),
            ("madang-pipeline", true, "axum", false),
            ("madang-kit", false, "madang-catalog", true),
            ("madang-proto", false, "madang-kit", false),
            ("madang-tests", false, "madang-kit", false),
        ];
        for (name, is_service, dependency, on_service) in refused {
            assert!(forbidden(name, is_service, dependency, on_service).is_some(), "{name} may depend on {dependency}");
        }
        let allowed = [
            ("madang-lake-engine", false, "datafusion", false),
            ("madang-lake-engine", false, "madang-lake", false),
            ("madang-gateway", false, "axum", false),
            ("madang-gateway", false, "madang-kit", false),
            ("madang-kit", false, "madang-proto", false),
            ("madang-lake", false, "madang-proto", false),
            ("madang-catalog", true, "madang-lake-engine", false),
            ("madang", false, "madang-catalog", true),
            ("madang-tests", false, "madang-proto", false),
        ];
        for (name, is_service, dependency, on_service) in allowed {
            assert_eq!(forbidden(name, is_service, dependency, on_service), None, "{name} may not depend on {dependency}");
        }
    }

    #[test]
    fn a_fixture_needs_its_name_and_its_licence_on_one_line() {
        let readme = "| `a.csv` | MIT |\n| `b.csv` | from somewhere |\nMIT";
        assert!(has_licence(readme, "a.csv"));
        assert!(!has_licence(readme, "b.csv"));
        assert!(!has_licence(readme, "c.csv"));
    }

    fn with(package: Crate) -> Workspace {
        Workspace { root: PathBuf::from("/w"), crates: vec![package], ..Workspace::default() }
    }

    #[test]
    fn lines_are_found_outside_comments_only() {
        let text = format!("// {}\nfn f() {{\n    {}\n}}\n", concat!("to", "do!()"), concat!("to", "do!()"));
        let workspace = with(Crate { sources: vec![(PathBuf::from("/w/x/src/lib.rs"), text)], ..Crate::default() });
        assert_eq!(placeholders(&workspace), ["x/src/lib.rs:3: a placeholder was left in"]);
        assert!(unexplained_ignores(&workspace).is_empty());
    }

    #[test]
    fn a_migration_needs_its_counterpart() {
        let sqlite_migrations = ["1_users.sql", "2_keys.sql"].map(str::to_owned).into();
        let postgres_migrations = ["1_users.sql", "3_keys.sql"].map(str::to_owned).into();
        let workspace = with(Crate { folder: PathBuf::from("/w/x"), sqlite_migrations, postgres_migrations, ..Crate::default() });
        let found = unpaired_migrations(&workspace);
        assert!(
            found[0].starts_with("x/migrations/sqlite/2_keys.sql: ") && found[1].starts_with("x/migrations/postgres/3_keys.sql: "),
            "{found:?}"
        );
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn only_the_sources_have_a_limit_of_length() {
        let text = "\n".repeat(LINES_PER_FILE + 1);
        let sources = ["/w/x/src/long.rs", "/w/x/tests/long.rs"].map(|path| (PathBuf::from(path), text.clone())).into();
        let workspace = with(Crate { folder: PathBuf::from("/w/x"), sources, ..Crate::default() });
        assert_eq!(long_files(&workspace), ["x/src/long.rs: 601 lines, more than 600"]);
    }

    #[test]
    fn this_workspace_is_read() {
        let workspace = Workspace::read(&process::root().unwrap()).unwrap();
        let xtask = workspace.crates.iter().find(|package| package.name == "xtask").unwrap();
        assert!(xtask.dependencies.contains("anyhow") && !xtask.is_service());
        assert!(xtask.sources.iter().any(|(path, _)| path.ends_with("src/cmd/tidy.rs")));
    }
}
