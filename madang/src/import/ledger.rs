//! What has been brought over already: one line a thing, in a file of the data folder.

use std::{
    cell::RefCell,
    collections::HashSet,
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
};

use anyhow::Context as _;

/// The file and what stands in it.
pub(super) struct Ledger {
    known: HashSet<String>,
    file: RefCell<File>,
}

impl Ledger {
    /// The ledger of one site.
    pub(super) fn open(data_dir: &Path, host: &str) -> anyhow::Result<Self> {
        let plain: String = host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
        let path = data_dir.join(format!("import-ckan-{plain}.txt"));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // A last line that was cut off by a crash names nothing whole.
        let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
        let file = OpenOptions::new().create(true).append(true).open(&path).with_context(|| format!("can't write {}", path.display()))?;
        Ok(Self { known: whole.lines().map(str::to_owned).collect(), file: RefCell::new(file) })
    }

    /// Whether a thing is here.
    pub(super) fn has(&self, kind: &str, name: &str) -> bool {
        self.known.contains(&line(kind, name))
    }

    /// Notes that a thing is here.
    pub(super) fn note(&self, kind: &str, name: &str) -> anyhow::Result<()> {
        Ok(writeln!(self.file.borrow_mut(), "{}", line(kind, name))?)
    }
}

fn line(kind: &str, name: &str) -> String {
    format!("{kind}\t{}", name.replace(['\n', '\t'], " "))
}
