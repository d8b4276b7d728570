//! The records of delimited text (RFC 4180), found in place: a field is a range of the buffer, nothing is copied.
//!
//! Lines end with LF, CR LF or CR. A field that begins with a quote ends with one; inside, two quotes mean one, and
//! delimiters and line ends are text. A quote elsewhere is a character like any other.

use std::{borrow::Cow, io::Read, ops::Range};

use madang_lake::{Error, Result};

use crate::storage;

const FIRST_BUFFER: usize = 256 << 10;
/// Bytes of a line that is left out which are shown.
const SHOWN: usize = 4 << 10;

/// Where a field lies in its record, quotes left out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Field {
    start: usize,
    end: usize,
    quoted: bool,
    /// It holds doubled quotes.
    doubled: bool,
}

impl Field {
    /// Nothing at all, not even quotes.
    pub(super) fn is_blank(self) -> bool {
        self.start == self.end && !self.quoted
    }
}

/// What the start of a buffer holds.
pub(super) enum Scan {
    /// One record of so many bytes, line end included.
    Record { length: usize },
    /// The record's end is not in the buffer.
    Unfinished,
    /// A quoted field is followed by something else than a delimiter or a line end.
    Stray,
    /// More than the wanted number of fields.
    Wide,
}

/// Finds the first record of `data`. With `whole`, the end of `data` ends the record.
pub(super) fn scan(data: &[u8], whole: bool, delimiter: u8, widest: usize, fields: &mut Vec<Field>) -> Scan {
    fields.clear();
    if data.is_empty() {
        return Scan::Unfinished;
    }
    let mut at = 0;
    loop {
        let field = match data.get(at) {
            Some(b'"') => match quoted(data, at) {
                Some(field) => field,
                None => return Scan::Unfinished,
            },
            _ => plain(data, at, delimiter),
        };
        if fields.len() == widest {
            return Scan::Wide;
        }
        fields.push(field);
        let after = field.end + usize::from(field.quoted);
        let length = match (data.get(after), data.get(after + 1)) {
            (Some(byte), _) if *byte == delimiter => {
                at = after + 1;
                continue;
            }
            (Some(b'\r'), Some(b'\n')) => after + 2,
            (Some(b'\r'), None) if !whole => return Scan::Unfinished,
            (Some(b'\r' | b'\n'), _) => after + 1,
            (Some(_), _) => return Scan::Stray,
            (None, _) if whole => after,
            (None, _) => return Scan::Unfinished,
        };
        return Scan::Record { length };
    }
}

fn plain(data: &[u8], start: usize, delimiter: u8) -> Field {
    let mut end = start;
    while end < data.len() {
        let byte = data[end];
        if byte == delimiter || byte == b'\n' || byte == b'\r' {
            break;
        }
        end += 1;
    }
    Field { start, end, quoted: false, doubled: false }
}

fn quoted(data: &[u8], open: usize) -> Option<Field> {
    let start = open + 1;
    let (mut end, mut doubled) = (start, false);
    loop {
        end += data.get(end..)?.iter().position(|byte| *byte == b'"')?;
        if data.get(end + 1) != Some(&b'"') {
            return Some(Field { start, end, quoted: true, doubled });
        }
        doubled = true;
        end += 2;
    }
}

/// One record.
pub(super) struct Record<'a> {
    bytes: &'a [u8],
    fields: &'a [Field],
}

impl<'a> Record<'a> {
    /// Fields in it.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// An empty line.
    pub(super) fn is_blank(&self) -> bool {
        matches!(self.fields, [only] if only.is_blank())
    }

    /// Bytes of it, line end included.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The record as it stands in the file.
    pub(super) fn raw(&self) -> &'a [u8] {
        self.bytes
    }

    /// Line ends inside its fields.
    fn line_ends(&self) -> u64 {
        let quoted = self.fields.iter().filter(|field| field.quoted);
        let lines = |field: &Field| self.bytes.get(field.start..field.end).unwrap_or_default().split(|byte| *byte == b'\n').count();
        quoted.map(|field| lines(field) as u64 - 1).sum()
    }

    /// Whether all its fields from the given one on are blank.
    pub(super) fn is_blank_from(&self, field: usize) -> bool {
        self.fields.iter().skip(field).all(|field| field.is_blank())
    }

    /// The text of each field; a field of nothing at all, not even quotes, has none.
    pub(super) fn values(&self) -> impl Iterator<Item = Result<Option<Cow<'a, str>>>> {
        let bytes = self.bytes;
        self.fields.iter().map(move |field| if field.is_blank() { Ok(None) } else { cell(bytes, *field).map(Some) })
    }

    /// The text of each field.
    pub(super) fn cells(&self) -> impl Iterator<Item = Result<Cow<'a, str>>> {
        let bytes = self.bytes;
        self.fields.iter().map(move |field| cell(bytes, *field))
    }
}

fn cell(bytes: &[u8], field: Field) -> Result<Cow<'_, str>> {
    // The whole file was checked, so this can fail only if somebody changed it meanwhile.
    let text = std::str::from_utf8(&bytes[field.start..field.end]).map_err(storage)?;
    Ok(if field.doubled { Cow::Owned(text.replace("\"\"", "\"")) } else { Cow::Borrowed(text) })
}

/// Records of a reader, one at a time. The buffer holds at least one record and grows up to a limit.
pub(super) struct Records<R> {
    input: R,
    delimiter: u8,
    widest: usize,
    longest: usize,
    buffer: Vec<u8>,
    /// What was read and not returned yet.
    unread: Range<usize>,
    at_end: bool,
    /// The current record.
    record: Range<usize>,
    fields: Vec<Field>,
    /// Records passed so far, the current one included.
    count: u64,
    /// So many unread bytes end with one that is no line end; saves looking twice.
    text_ahead: usize,
    /// The line that the current record begins in, and the one behind it; from 1.
    line: u64,
    next_line: u64,
}

impl<R: Read> Records<R> {
    /// Records of at most `longest` bytes and `widest` fields.
    pub(super) fn new(input: R, delimiter: u8, widest: usize, longest: usize) -> Self {
        Self {
            input,
            delimiter,
            widest,
            longest,
            buffer: vec![0; FIRST_BUFFER],
            unread: 0..0,
            at_end: false,
            record: 0..0,
            fields: Vec::new(),
            count: 0,
            text_ahead: 0,
            line: 0,
            next_line: 1,
        }
    }

    /// Goes to the next record; false behind the last.
    pub(super) fn advance(&mut self) -> Result<bool> {
        loop {
            let data = &self.buffer[self.unread.clone()];
            if data.is_empty() && self.at_end {
                return Ok(false);
            }
            match scan(data, self.at_end, self.delimiter, self.widest, &mut self.fields) {
                Scan::Record { length } => {
                    self.record = self.unread.start..self.unread.start + length;
                    self.unread.start += length;
                    self.text_ahead = self.text_ahead.saturating_sub(length);
                    self.count += 1;
                    self.line = self.next_line;
                    self.next_line += 1 + self.current().line_ends();
                    return Ok(true);
                }
                Scan::Unfinished if self.at_end => return Err(self.bad("a quote is opened but never closed".to_owned())),
                Scan::Unfinished => self.fill()?,
                Scan::Stray => return Err(self.bad("text follows a closing quote".to_owned())),
                Scan::Wide if self.count == 0 => {
                    return Err(Error::LimitExceeded(format!("the header has more than {} columns, which is the limit", self.widest)));
                }
                Scan::Wide => return Err(self.bad(format!("more than {} fields", self.widest))),
            }
        }
    }

    /// The current record.
    pub(super) fn current(&self) -> Record<'_> {
        Record { bytes: &self.buffer[self.record.clone()], fields: &self.fields }
    }

    /// The line that the current record begins in.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The line behind it.
    pub(super) fn next_line(&self) -> u64 {
        self.next_line
    }

    /// Leaves out one line, after [`Self::advance`] has refused the record that begins with it. Gives its beginning.
    pub(super) fn skip_line(&mut self) -> Result<Vec<u8>> {
        let mut shown = Vec::new();
        let mut looked = 0;
        let length = loop {
            let data = self.buffer.get(self.unread.clone()).unwrap_or_default();
            let found = data.iter().skip(looked).position(|byte| matches!(byte, b'\n' | b'\r')).map(|at| looked + at);
            match found {
                Some(end) if data.get(end) == Some(&b'\n') => break end + 1,
                Some(end) if end + 1 < data.len() || self.at_end => break end + 1 + usize::from(data.get(end + 1) == Some(&b'\n')),
                None if self.at_end => break data.len(),
                _ => {}
            }
            looked = found.unwrap_or(data.len());
            if data.len() >= self.longest {
                if shown.is_empty() {
                    shown.extend_from_slice(data.get(..SHOWN).unwrap_or(data));
                }
                self.unread.start = self.unread.end;
                looked = 0;
            }
            self.fill()?;
        };
        if shown.is_empty() {
            let line = self.buffer.get(self.unread.start..self.unread.start + length).unwrap_or_default();
            shown.extend_from_slice(line.get(..SHOWN).unwrap_or(line));
        }
        self.unread.start += length;
        self.text_ahead = 0;
        self.count += 1;
        self.next_line += 1;
        Ok(shown)
    }

    /// Whether nothing but line ends is left. The current record must be blank: it may lose its place in the buffer.
    pub(super) fn rest_is_blank(&mut self) -> Result<bool> {
        self.record = 0..0;
        self.fields.truncate(1);
        self.fields.iter_mut().for_each(|field| *field = Field::default());
        if self.text_ahead > 0 {
            return Ok(false);
        }
        let mut looked = 0;
        loop {
            let data = &self.buffer[self.unread.clone()];
            if let Some(found) = data[looked..].iter().position(|byte| !matches!(byte, b'\n' | b'\r')) {
                self.text_ahead = looked + found + 1;
                return Ok(false);
            }
            if self.at_end {
                return Ok(true);
            }
            looked = data.len();
            self.fill()?;
        }
    }

    /// Reads more behind what is unread.
    fn fill(&mut self) -> Result<()> {
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        let filled = self.unread.end;
        if filled == self.buffer.len() {
            if filled >= self.longest {
                let text = format!("row {} is longer than {} bytes, which is the limit; is a quote left open?", self.count, self.longest);
                return Err(Error::LimitExceeded(text));
            }
            self.buffer.resize((filled * 2).min(self.longest), 0);
        }
        let read = self.input.read(&mut self.buffer[filled..]).map_err(storage)?;
        self.unread.end += read;
        self.at_end = read == 0;
        Ok(())
    }

    /// The record behind the current one is wrong. The header is a record too, so the count is the data row's number.
    fn bad(&self, reason: String) -> Error {
        if self.count == 0 {
            return Error::invalid(format!("the header: {reason}"));
        }
        Error::BadRow { row: self.count, column: None, reason }
    }
}
