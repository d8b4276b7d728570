//! A text file as UTF-8 although some of its bytes are no text: each such place becomes [`MARK`], which tells the rows they are in.
//!
//! A byte order mark says which encoding it is. Without one, a file that is UTF-8 but for few places is UTF-8; else it is CP949 if
//! fewer places are wrong under it.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
};

use encoding_rs::{DecoderResult, EUC_KR, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use madang_lake::{Error, Result};

use crate::{ingest::encoding::is_utf8, storage};

/// What stands for bytes that are no text: a noncharacter, which no text for interchange holds.
pub(in crate::ingest) const MARK: char = '\u{FDD0}';
const PIECE: usize = 256 << 10;
/// A file of which more than one byte in so many is no text is none.
const WRONG_IN: u64 = 20;

/// A file of checked UTF-8.
#[derive(Debug)]
pub(in crate::ingest) struct Text {
    file: File,
    /// Where it begins, behind a byte order mark.
    start: u64,
    /// Places that are no text.
    pub(in crate::ingest) marks: u64,
}

impl Text {
    /// A file that is UTF-8 from its beginning to its end.
    pub(in crate::ingest) fn clean(file: File) -> Self {
        Self { file, start: 0, marks: 0 }
    }

    /// Opens a file; what is not plain UTF-8 is rewritten into a nameless file.
    pub(in crate::ingest) fn open(path: &Path, scratch: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(storage)?;
        let bytes = file.metadata().map_err(storage)?.len();
        let mut mark = Vec::with_capacity(3);
        (&mut file).take(3).read_to_end(&mut mark).map_err(storage)?;
        let (start, declared) = match mark.as_slice() {
            [] => return Err(Error::invalid("the file is empty")),
            [0xEF, 0xBB, 0xBF] => (3, Some(UTF_8)),
            [0xFF, 0xFE, ..] => (2, Some(UTF_16LE)),
            [0xFE, 0xFF, ..] => (2, Some(UTF_16BE)),
            _ => (0, None),
        };
        let is_wide = declared.is_some_and(|encoding| encoding != UTF_8);
        at(&mut file, start)?;
        if !is_wide && is_utf8(&mut file).unwrap_or(false) {
            return Ok(Self { file, start, marks: 0 });
        }
        let encoding = match declared {
            Some(encoding) => encoding,
            None => likelier(&mut file)?,
        };
        at(&mut file, start)?;
        let mut to = tempfile::tempfile_in(scratch).map_err(storage)?;
        let found = decode(&mut file, encoding, Some(&mut to))?;
        if found.wrong.saturating_mul(WRONG_IN) > bytes {
            return Err(Error::invalid("the file is no text: too many of its bytes are neither UTF-8, UTF-16 nor CP949"));
        }
        Ok(Self { file: to, start: 0, marks: found.wrong })
    }

    /// The text from its beginning. One reader at a time.
    pub(in crate::ingest) fn reader(&self) -> Result<File> {
        let mut file = self.file.try_clone().map_err(storage)?;
        at(&mut file, self.start)?;
        Ok(file)
    }
}

fn at(file: &mut File, start: u64) -> Result<()> {
    file.seek(SeekFrom::Start(start)).map(drop).map_err(storage)
}

/// UTF-8 or CP949.
fn likelier(file: &mut File) -> Result<&'static Encoding> {
    at(file, 0)?;
    let utf8 = decode(file, UTF_8, None)?;
    if utf8.letters > utf8.wrong {
        return Ok(UTF_8);
    }
    at(file, 0)?;
    let korean = decode(file, EUC_KR, None)?;
    Ok(if korean.wrong < utf8.wrong { EUC_KR } else { UTF_8 })
}

/// What a reading found.
#[derive(Default)]
struct Found {
    /// Places that are no text.
    wrong: u64,
    /// Characters beyond ASCII.
    letters: u64,
}

/// Reads the rest of a file in an encoding and writes it as UTF-8, if it is to go somewhere.
fn decode(from: &mut File, encoding: &'static Encoding, mut to: Option<&mut File>) -> Result<Found> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut piece = vec![0; PIECE];
    let mut text = vec![0; PIECE * 4];
    let (mut found, mut mark) = (Found::default(), [0; 4]);
    let mark = MARK.encode_utf8(&mut mark).as_bytes();
    loop {
        let read = from.read(&mut piece).map_err(storage)?;
        let mut rest = piece.get(..read).unwrap_or_default();
        loop {
            let (result, taken, written) = decoder.decode_to_utf8_without_replacement(rest, &mut text, read == 0);
            rest = rest.get(taken..).unwrap_or_default();
            let utf8 = text.get(..written).unwrap_or_default();
            found.letters += utf8.iter().filter(|byte| **byte >= 0xC0).count() as u64;
            found.wrong += (utf8.split(|byte| *byte == 0).count() - 1) as u64;
            if let Some(to) = &mut to {
                for (number, part) in utf8.split(|byte| *byte == 0).enumerate() {
                    if number > 0 {
                        to.write_all(mark).map_err(storage)?;
                    }
                    to.write_all(part).map_err(storage)?;
                }
            }
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    found.wrong += 1;
                    if let Some(to) = &mut to {
                        to.write_all(mark).map_err(storage)?;
                    }
                }
            }
        }
        if read == 0 {
            return Ok(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<(String, u64)> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        std::fs::write(&path, bytes).expect("written");
        let text = Text::open(&path, folder.path())?;
        let mut read = String::new();
        text.reader()?.read_to_string(&mut read).expect("UTF-8");
        Ok((read, text.marks))
    }

    #[test]
    fn wrong_bytes_are_marked_where_they_stand() {
        let long = "가,나\n".repeat(10);
        assert_eq!(read(format!("\u{FEFF}{long}").as_bytes()).expect("text"), (long.clone(), 0));
        let mut broken = long.clone().into_bytes();
        broken.push(0xE9);
        broken.extend(long.bytes());
        assert_eq!(read(&broken).expect("text"), (format!("{long}{MARK}{long}"), 1));
        let (korean, _, _) = EUC_KR.encode(&long);
        assert_eq!(read(&korean).expect("text"), (long.clone(), 0));
        let ascii = "a,b\n1,2\n".repeat(10);
        assert_eq!(read(format!("{ascii}\0{ascii}").as_bytes()).expect("text"), (format!("{ascii}{MARK}{ascii}"), 1));
        let wide: Vec<u8> = [0xFF, 0xFE].into_iter().chain("가,b\n".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert_eq!(read(&wide).expect("text"), ("가,b\n".to_owned(), 0));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert!(read(b"").is_err());
        let noise: Vec<u8> = (0..10_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        assert!(read(&noise).is_err());
    }
}
