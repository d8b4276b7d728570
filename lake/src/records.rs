//! Files as rows of text, nothing converted: for who has rules of his own about types and wants to say in which row what is wrong.

use futures::stream::BoxStream;

use crate::{Limits, Result};

/// The formats that are read as rows of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordFormat {
    /// Delimited text.
    #[default]
    Delimited,
    /// Office Open XML.
    Xlsx,
    /// OpenDocument.
    Ods,
    /// Objects in an array or one after the other.
    Json,
}

/// Which sheet of a workbook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sheet {
    /// The first that is not hidden.
    #[default]
    First,
    /// By its place, from 1; hidden ones count.
    Number(usize),
    /// By its name.
    Named(String),
}

/// How a file is read.
#[derive(Clone, Debug, Default)]
pub struct RecordOptions {
    /// What it is.
    pub format: RecordFormat,
    /// Of delimited text; absent = the one that fits best.
    pub delimiter: Option<u8>,
    /// What encloses fields; absent = `"`.
    pub quote: Option<u8>,
    /// What takes a character's meaning; absent = only a doubled quote does that.
    pub escape: Option<u8>,
    /// Its encoding by its name on the web; absent = UTF-8, UTF-16 with a mark, else CP949.
    pub encoding: Option<String>,
    /// Of a workbook.
    pub sheet: Sheet,
    /// Of objects: the keys that come first; those of the first object follow.
    pub keys: Vec<String>,
}

/// Some rows of text.
#[derive(Clone, Debug, Default)]
pub struct Records {
    text: String,
    /// Where each cell lies in the text; an absent one lies nowhere.
    cells: Vec<Option<(usize, usize)>>,
    /// The number of each row and the end of its cells.
    rows: Vec<(u64, usize)>,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// From 1, for the first row of the file.
    pub number: u64,
    text: &'a str,
    cells: &'a [Option<(usize, usize)>],
}

impl Records {
    /// Rows in it.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of its cells.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The rows.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        (0..self.rows.len()).filter_map(|at| self.get(at))
    }

    /// One row.
    pub fn get(&self, at: usize) -> Option<Record<'_>> {
        let (number, end) = *self.rows.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.rows.get(before)).map_or(0, |row| row.1);
        Some(Record { number, text: &self.text, cells: self.cells.get(start..end)? })
    }

    /// Adds a row.
    pub fn push<'a>(&mut self, number: u64, cells: impl IntoIterator<Item = Option<&'a str>>) {
        for cell in cells {
            let place = cell.map(|cell| {
                let start = self.text.len();
                self.text.push_str(cell);
                (start, self.text.len())
            });
            self.cells.push(place);
        }
        self.rows.push((number, self.cells.len()));
    }
}

impl<'a> Record<'a> {
    /// Its cells; an absent one is none.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = Option<&'a str>> + use<'a> {
        let text = self.text;
        self.cells.iter().map(move |place| place.and_then(|(start, end)| text.get(start..end)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether every cell is absent or empty.
    pub fn is_empty(&self) -> bool {
        self.cells().all(|cell| cell.is_none_or(str::is_empty))
    }
}

/// Who reads files as rows of text.
pub trait Reader: Send + Sync + 'static {
    /// The rows of a local file from its first on, the header being a row like any other. Of objects the first row holds their keys.
    fn records(&self, path: &std::path::Path, options: &RecordOptions, limits: &Limits) -> BoxStream<'static, Result<Records>>;
}
