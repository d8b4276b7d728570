//! XML as a stream of elements and texts; one piece of it has a limit.

use std::{
    cell::Cell,
    io::{BufReader, Error as IoError, Read},
    rc::Rc,
};

use madang_lake::Result;
use quick_xml::{
    Reader,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event},
};

use super::damaged;

/// Bytes of one tag or one text, what is read ahead included.
const PIECE_BYTES: usize = 4 << 20;
const AHEAD: usize = 64 << 10;

/// A document on its way.
pub(super) struct Xml {
    reader: Reader<BufReader<Metered>>,
    read: Rc<Cell<usize>>,
    buffer: Vec<u8>,
}

/// What comes next. Names are without their prefix.
pub(super) enum Piece {
    Open { name: String, attributes: Attributes, is_empty: bool },
    Close(String),
    Text(String),
    End,
}

/// The attributes of an element, names without prefixes.
pub(super) struct Attributes(Vec<(String, String)>);

impl Attributes {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// An attribute that counts something.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.trim().parse().ok()
    }
}

impl Xml {
    pub(super) fn new(input: Box<dyn Read>) -> Self {
        let read = Rc::new(Cell::new(0));
        let metered = Metered { inner: input, read: read.clone() };
        Self { reader: Reader::from_reader(BufReader::with_capacity(AHEAD, metered)), read, buffer: Vec::new() }
    }

    /// The next element, its end, or a text.
    pub(super) fn next(&mut self) -> Result<Piece> {
        loop {
            self.read.set(0);
            self.buffer.clear();
            let event = self.reader.read_event_into(&mut self.buffer).map_err(|error| damaged(&error.to_string()))?;
            return Ok(match event {
                Event::Start(tag) => open(&tag, false)?,
                Event::Empty(tag) => open(&tag, true)?,
                Event::End(tag) => Piece::Close(local(tag.name().as_ref())),
                Event::Text(text) => Piece::Text(text.decode().map_err(|error| damaged(&error.to_string()))?.into_owned()),
                Event::CData(text) => Piece::Text(text.decode().map_err(|error| damaged(&error.to_string()))?.into_owned()),
                Event::GeneralRef(reference) => {
                    let named = || reference.decode().ok().and_then(|name| resolve_predefined_entity(&name).map(str::to_owned));
                    let letter = reference.resolve_char_ref().ok().flatten().map(String::from);
                    Piece::Text(letter.or_else(named).ok_or_else(|| damaged("it holds an entity that is not known"))?)
                }
                Event::Eof => Piece::End,
                _ => continue,
            });
        }
    }
}

fn open(tag: &BytesStart<'_>, is_empty: bool) -> Result<Piece> {
    let mut attributes = Vec::new();
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| damaged(&error.to_string()))?;
        let value = attribute.unescape_value().map_err(|error| damaged(&error.to_string()))?.into_owned();
        attributes.push((local(attribute.key.as_ref()), value));
    }
    Ok(Piece::Open { name: local(tag.name().as_ref()), attributes: Attributes(attributes), is_empty })
}

fn local(name: &[u8]) -> String {
    let local = name.rsplit(|byte| *byte == b':').next().unwrap_or(name);
    String::from_utf8_lossy(local).into_owned()
}

/// Counts what is read for one piece, and ends it when that is too much.
struct Metered {
    inner: Box<dyn Read>,
    read: Rc<Cell<usize>>,
}

impl Read for Metered {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(into)?;
        self.read.set(self.read.get() + read);
        if self.read.get() > PIECE_BYTES {
            return Err(IoError::other("one of its tags or texts is larger than the limit"));
        }
        Ok(read)
    }
}
