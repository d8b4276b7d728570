//! ZIP archives, written as a stream. The well-known library changes features of the query engine's dependencies, and all that is
//! needed here is one local header, one data and one directory entry for each file (APPNOTE.TXT 6.3, with its 64-bit sizes).

use std::{fs::File, io::Read, path::Path};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use madang_kit::{Error, Result};

use super::sink::{Made, Scratch, Sink};

const PIECE: usize = 256 << 10;
/// Deflated, names in UTF-8, sizes behind the data.
const FLAGS: u16 = 0x0808;
const DEFLATED: u16 = 8;
/// Version 4.5: 64-bit sizes.
const VERSION: u16 = 45;
/// 1980-01-01 00:00: the same files make the same archive.
const DATE: u16 = 0x0021;

/// An archive in the making.
pub(crate) struct Zip {
    sink: Sink,
    entries: Vec<Entry>,
}

struct Entry {
    name: String,
    crc: u32,
    packed: u64,
    size: u64,
    offset: u64,
}

impl Zip {
    pub(crate) fn new(scratch: &Scratch) -> Result<Self> {
        Ok(Self { sink: Sink::new(scratch)?, entries: Vec::new() })
    }

    /// Adds a file from the local disk.
    pub(crate) async fn file(&mut self, name: &str, path: &Path) -> Result<()> {
        let mut file = File::open(path).map_err(Error::internal)?;
        self.entry(name, &mut file).await
    }

    /// Adds a file from memory.
    pub(crate) async fn bytes(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.entry(name, &mut &*bytes).await
    }

    async fn entry(&mut self, name: &str, from: &mut (impl Read + Send)) -> Result<()> {
        let offset = self.sink.bytes();
        let mut header = Vec::new();
        header.extend_from_slice(&0x0403_4b50_u32.to_le_bytes());
        for number in [VERSION, FLAGS, DEFLATED, 0, DATE] {
            header.extend_from_slice(&number.to_le_bytes());
        }
        header.extend_from_slice(&0_u32.to_le_bytes()); // the sum comes behind the data
        header.extend_from_slice(&u32::MAX.to_le_bytes());
        header.extend_from_slice(&u32::MAX.to_le_bytes());
        header.extend_from_slice(&length(name)?.to_le_bytes());
        header.extend_from_slice(&20_u16.to_le_bytes());
        header.extend_from_slice(name.as_bytes());
        header.extend_from_slice(&1_u16.to_le_bytes());
        header.extend_from_slice(&16_u16.to_le_bytes());
        header.extend_from_slice(&[0; 16]);
        self.sink.put(&header)?;
        let begun = self.sink.bytes();
        let (crc, size) = deflate(&mut self.sink, from).await?;
        let packed = self.sink.bytes() - begun;
        let mut behind = Vec::new();
        behind.extend_from_slice(&0x0807_4b50_u32.to_le_bytes());
        behind.extend_from_slice(&crc.to_le_bytes());
        behind.extend_from_slice(&packed.to_le_bytes());
        behind.extend_from_slice(&size.to_le_bytes());
        self.sink.put(&behind)?;
        self.entries.push(Entry { name: name.to_owned(), crc, packed, size, offset });
        Ok(())
    }

    /// Writes the directory.
    pub(crate) fn finish(mut self) -> Result<Made> {
        let begun = self.sink.bytes();
        for entry in &self.entries {
            let mut out = Vec::new();
            out.extend_from_slice(&0x0201_4b50_u32.to_le_bytes());
            for number in [VERSION, VERSION, FLAGS, DEFLATED, 0, DATE] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            out.extend_from_slice(&entry.crc.to_le_bytes());
            out.extend_from_slice(&u32::MAX.to_le_bytes());
            out.extend_from_slice(&u32::MAX.to_le_bytes());
            out.extend_from_slice(&length(&entry.name)?.to_le_bytes());
            out.extend_from_slice(&28_u16.to_le_bytes());
            out.extend_from_slice(&[0; 10]); // no comment, disk 0, no attributes
            out.extend_from_slice(&u32::MAX.to_le_bytes());
            out.extend_from_slice(entry.name.as_bytes());
            out.extend_from_slice(&1_u16.to_le_bytes());
            out.extend_from_slice(&24_u16.to_le_bytes());
            for number in [entry.size, entry.packed, entry.offset] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            self.sink.put(&out)?;
        }
        let (place, count) = (self.sink.bytes(), self.entries.len() as u64);
        let mut out = Vec::new();
        out.extend_from_slice(&0x0606_4b50_u32.to_le_bytes());
        out.extend_from_slice(&44_u64.to_le_bytes());
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        for number in [count, count, place - begun, begun] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&0x0706_4b50_u32.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&place.to_le_bytes());
        out.extend_from_slice(&1_u32.to_le_bytes());
        out.extend_from_slice(&0x0605_4b50_u32.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        let short = u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes();
        out.extend_from_slice(&short);
        out.extend_from_slice(&short);
        out.extend_from_slice(&u32::MAX.to_le_bytes());
        out.extend_from_slice(&u32::MAX.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        self.sink.put(&out)?;
        self.sink.finish()
    }
}

fn length(name: &str) -> Result<u16> {
    u16::try_from(name.len()).map_err(|_| Error::invalid("name", "too_long", "a file's name in an archive is too long"))
}

/// Packs everything; gives the sum and the size of what was read.
async fn deflate(sink: &mut Sink, from: &mut (impl Read + Send)) -> Result<(u32, u64)> {
    let (mut compress, mut crc) = (Compress::new(Compression::default(), false), Crc::new());
    let (mut piece, mut out, mut size) = (vec![0; PIECE], Vec::with_capacity(PIECE), 0);
    loop {
        let read = from.read(&mut piece).map_err(Error::internal)?;
        let mut rest = piece.get(..read).unwrap_or_default();
        crc.update(rest);
        size += read as u64;
        let flush = if read == 0 { FlushCompress::Finish } else { FlushCompress::None };
        loop {
            out.clear();
            let before = compress.total_in();
            let status = compress.compress_vec(rest, &mut out, flush).map_err(Error::internal)?;
            let taken = usize::try_from(compress.total_in() - before).map_err(Error::internal)?;
            rest = rest.get(taken..).unwrap_or_default();
            sink.put(&out)?;
            match status {
                Status::StreamEnd => return Ok((crc.sum(), size)),
                _ if read > 0 && rest.is_empty() && out.len() < out.capacity() => break,
                _ => {}
            }
        }
        tokio::task::yield_now().await;
    }
}
