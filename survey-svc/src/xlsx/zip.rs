//! A ZIP archive as a stream: entries are deflated as they come, their sizes follow them.

use std::io::Write;

use flate2::{Compression, Crc, write::DeflateEncoder};
use madang_kit::{Error, Result};

use super::too_large;

const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// The version that a reader needs.
const VERSION: u16 = 20;
/// Sizes follow the bytes; names are UTF-8.
const FLAGS: u16 = 0x0808;
const DEFLATED: u16 = 8;
/// 1 January 1980, the first day that the format knows.
const DAY: u16 = 0x21;

/// An archive on its way out.
#[derive(Default)]
pub(super) struct Zip {
    out: Vec<u8>,
    /// Bytes that were given out already.
    gone: u64,
    entries: Vec<Entry>,
    open: Option<Open>,
}

struct Entry {
    name: String,
    sum: u32,
    packed: u32,
    size: u32,
    /// Where it begins.
    at: u32,
}

struct Open {
    name: String,
    at: u32,
    encoder: DeflateEncoder<Vec<u8>>,
    sum: Crc,
    packed: u64,
    size: u64,
}

impl Zip {
    /// Begins an entry.
    pub(super) fn begin(&mut self, name: &str) -> Result<()> {
        let at = self.position()?;
        self.put(&LOCAL.to_le_bytes());
        self.common(0, 0, 0);
        self.lengths(name)?;
        self.put(name.as_bytes());
        let encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        self.open = Some(Open { name: name.to_owned(), at, encoder, sum: Crc::new(), packed: 0, size: 0 });
        Ok(())
    }

    /// Writes into the entry.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(open) = &mut self.open else { return Err(Error::internal("no entry is open")) };
        open.sum.update(bytes);
        open.size += bytes.len() as u64;
        open.encoder.write_all(bytes).map_err(Error::internal)?;
        let ready = std::mem::take(open.encoder.get_mut());
        open.packed += ready.len() as u64;
        self.put(&ready);
        Ok(())
    }

    /// Ends the entry.
    pub(super) fn end(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Err(Error::internal("no entry is open")) };
        let rest = open.encoder.finish().map_err(Error::internal)?;
        self.put(&rest);
        let short = |size: u64| u32::try_from(size).map_err(|_| too_large());
        let (packed, size) = (short(open.packed + rest.len() as u64)?, short(open.size)?);
        let entry = Entry { name: open.name, sum: open.sum.sum(), packed, size, at: open.at };
        for number in [DESCRIPTOR, entry.sum, entry.packed, entry.size] {
            self.put(&number.to_le_bytes());
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Bytes that are ready.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.gone += self.out.len() as u64;
        std::mem::take(&mut self.out)
    }

    /// Ends the archive with its directory; gives what is left.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        let at = self.position()?;
        let entries = std::mem::take(&mut self.entries);
        for entry in &entries {
            self.put(&CENTRAL.to_le_bytes());
            self.put(&VERSION.to_le_bytes());
            self.common(entry.sum, entry.packed, entry.size);
            self.lengths(&entry.name)?;
            self.put(&[0; 10]); // no comment, the first disk, no attributes
            self.put(&entry.at.to_le_bytes());
            self.put(entry.name.as_bytes());
        }
        let count = u16::try_from(entries.len()).map_err(|_| too_large())?;
        let size = self.position()? - at;
        self.put(&END.to_le_bytes());
        self.put(&[0; 4]);
        self.put(&count.to_le_bytes());
        self.put(&count.to_le_bytes());
        self.put(&size.to_le_bytes());
        self.put(&at.to_le_bytes());
        self.put(&[0; 2]);
        Ok(self.out)
    }

    /// What an entry's own header and the directory have in common.
    fn common(&mut self, sum: u32, packed: u32, size: u32) {
        for number in [VERSION, FLAGS, DEFLATED, 0, DAY] {
            self.put(&number.to_le_bytes());
        }
        for number in [sum, packed, size] {
            self.put(&number.to_le_bytes());
        }
    }

    /// Of the name; there are no extra fields.
    fn lengths(&mut self, name: &str) -> Result<()> {
        self.put(&u16::try_from(name.len()).map_err(Error::internal)?.to_le_bytes());
        self.put(&[0; 2]);
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn position(&self) -> Result<u32> {
        u32::try_from(self.gone + self.out.len() as u64).map_err(|_| too_large())
    }
}
