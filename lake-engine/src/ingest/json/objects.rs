//! The objects of a JSON file, cut out one at a time. The buffer holds at least one object and grows up to a limit.

use std::{io::Read, ops::Range};

use madang_lake::{Error, Limits, Result};

use crate::storage;

const FIRST_BUFFER: usize = 256 << 10;

/// How the objects stand in the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Nothing was read yet.
    Unknown,
    /// In an array; whether the next one is the first.
    Array { first: bool },
    /// One after the other.
    Sequence,
    /// The array is closed.
    Closed,
}

/// The objects of a reader.
pub(super) struct Objects<R> {
    input: R,
    shape: Shape,
    longest: usize,
    deepest: usize,
    buffer: Vec<u8>,
    /// What was read and not returned yet.
    unread: Range<usize>,
    at_end: bool,
    /// Objects returned so far.
    count: u64,
    /// The last one returned; none behind the end.
    object: Option<Range<usize>>,
}

impl<R: Read> Objects<R> {
    pub(super) fn new(input: R, limits: Limits) -> Self {
        let longest = limits.record_bytes();
        let buffer = vec![0; FIRST_BUFFER];
        Self { input, shape: Shape::Unknown, longest, deepest: limits.depth, buffer, unread: 0..0, at_end: false, count: 0, object: None }
    }

    /// The text of the next object, which is not checked but for its end; `None` behind the last.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>> {
        self.object = None;
        if !self.go_to_object()? {
            return Ok(None);
        }
        let mut scan = Scan { deepest: self.deepest, ..Scan::default() };
        let length = loop {
            match scan.find_end(self.buffer.get(self.unread.clone()).unwrap_or_default()) {
                Some(length) if length == usize::MAX => {
                    let text = format!("row {}: values are nested deeper than {}, which is the limit", self.count + 1, self.deepest);
                    return Err(Error::LimitExceeded(text));
                }
                Some(length) => break length,
                None if self.at_end => return Err(self.bad("the object is not closed")),
                None => self.fill()?,
            }
        };
        let start = self.unread.start;
        self.unread.start += length;
        self.count += 1;
        self.object = Some(start..start + length);
        Ok(self.current())
    }

    /// The text of the object that [`Self::next`] has returned.
    pub(super) fn current(&self) -> Option<&[u8]> {
        self.buffer.get(self.object.clone()?)
    }

    /// Leaves out one line, after [`Self::next`] has refused the object in it; false if the objects do not stand one after the other, so
    /// that nobody knows where the next one begins.
    pub(super) fn skip_line(&mut self) -> Result<bool> {
        if self.shape != Shape::Sequence {
            return Ok(false);
        }
        loop {
            let data = self.buffer.get(self.unread.clone()).unwrap_or_default();
            if let Some(end) = data.iter().position(|byte| *byte == b'\n') {
                self.unread.start += end + 1;
                return Ok(true);
            }
            self.unread.start = self.unread.end;
            if self.at_end {
                return Ok(true);
            }
            self.fill()?;
        }
    }

    /// Goes to the next object's brace; false if there is none.
    fn go_to_object(&mut self) -> Result<bool> {
        loop {
            let byte = self.skip_space()?;
            match (self.shape, byte) {
                (Shape::Unknown, Some(b'[')) => self.shape = Shape::Array { first: true },
                (Shape::Unknown | Shape::Sequence, Some(b'{')) => {
                    self.shape = Shape::Sequence;
                    return Ok(true);
                }
                (Shape::Unknown, None) => return Err(Error::invalid("the file is empty")),
                (Shape::Unknown, Some(_)) => {
                    return Err(Error::invalid("a JSON file holds an array of objects, or objects one after the other"));
                }
                (Shape::Array { first: true }, Some(b'{')) => {
                    self.shape = Shape::Array { first: false };
                    return Ok(true);
                }
                (Shape::Array { .. }, Some(b']')) => self.shape = Shape::Closed,
                (Shape::Array { first: false }, Some(b',')) => {
                    self.unread.start += 1;
                    if self.skip_space()? != Some(b'{') {
                        return Err(self.bad("it is not an object"));
                    }
                    return Ok(true);
                }
                (Shape::Array { .. }, None) => return Err(self.bad("the array is not closed")),
                (Shape::Sequence | Shape::Closed, None) => return Ok(false),
                (Shape::Closed, Some(_)) => return Err(self.bad("text follows the array")),
                (Shape::Array { .. } | Shape::Sequence, Some(_)) => return Err(self.bad("it is not an object")),
            }
            self.unread.start += 1;
        }
    }

    /// The next byte that is not white space; it stays unread.
    fn skip_space(&mut self) -> Result<Option<u8>> {
        loop {
            let data = self.buffer.get(self.unread.clone()).unwrap_or_default();
            if let Some(at) = data.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
                self.unread.start += at;
                return Ok(self.buffer.get(self.unread.start).copied());
            }
            if self.at_end {
                return Ok(None);
            }
            self.unread.start = self.unread.end;
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
                let text = format!("row {} is longer than {} bytes, which is the limit", self.count + 1, self.longest);
                return Err(Error::LimitExceeded(text));
            }
            self.buffer.resize((filled * 2).min(self.longest), 0);
        }
        let read = self.input.read(self.buffer.get_mut(filled..).unwrap_or_default()).map_err(storage)?;
        self.unread.end += read;
        self.at_end = read == 0;
        Ok(())
    }

    fn bad(&self, reason: &str) -> Error {
        Error::BadRow { row: self.count + 1, column: None, reason: reason.to_owned() }
    }
}

/// Looks for the end of the object that a text begins with; it goes on where it stopped when more text is there.
#[derive(Default)]
struct Scan {
    deepest: usize,
    looked: usize,
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl Scan {
    /// The object's length, if it ends in `data`; `usize::MAX` if it is too deep.
    fn find_end(&mut self, data: &[u8]) -> Option<usize> {
        for (at, byte) in data.iter().enumerate().skip(self.looked) {
            if self.escaped {
                self.escaped = false;
                continue;
            }
            match byte {
                b'\\' if self.in_text => self.escaped = true,
                b'"' => self.in_text = !self.in_text,
                b'{' | b'[' if !self.in_text => {
                    self.depth += 1;
                    if self.depth > self.deepest {
                        return Some(usize::MAX);
                    }
                }
                b'}' | b']' if !self.in_text => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        self.looked = data.len();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, so that every object is cut somewhere.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let length = self.0.len().min(3).min(into.len());
            let (now, later) = self.0.split_at(length);
            into[..length].copy_from_slice(now);
            self.0 = later;
            Ok(length)
        }
    }

    fn all(text: &str) -> Result<Vec<String>> {
        let mut objects = Objects::new(Slowly(text.as_bytes()), Limits { depth: 3, ..Limits::default() });
        let mut found = Vec::new();
        while let Some(object) = objects.next()? {
            found.push(String::from_utf8(object.to_vec()).expect("UTF-8"));
        }
        Ok(found)
    }

    #[test]
    fn objects_are_cut_out_whatever_stands_between() {
        let objects = [r#"{"a":"}]{[\"\\"}"#, "{}", r#"{"가":[{"b":1}]}"#];
        for (open, between, close) in [("[", ",", "]"), (" [\n", " , \n", "\n]\n "), ("", "\n", ""), ("", "", "\r\n"), ("", " \n\n ", "")] {
            assert_eq!(all(&format!("{open}{}{close}", objects.join(between))).expect("objects"), objects);
        }
        assert!(all("[ ]").expect("none").is_empty());
    }

    #[test]
    fn what_is_no_list_of_objects_is_refused() {
        for text in ["", "  ", "1", "[1]", "[{},]", "[{} {}]", "[{}", "[{}]x", "{\"a\":1", "{},{}", "{}]", "\"{}\"", "[[{}]]"] {
            assert!(all(text).is_err(), "{text}");
        }
        assert!(matches!(all(r#"{"a":[[[]]]}"#), Err(Error::LimitExceeded(_))));
    }
}
