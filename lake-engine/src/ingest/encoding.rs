//! Any accepted text file as UTF-8 without byte order mark.
//!
//! UTF-8 is the rule. A byte order mark can say UTF-16; a file that is not UTF-8 is read as CP949, which most Korean
//! public data is written in (`encoding_rs` calls it EUC-KR). Those are rewritten into a nameless file, piece by piece.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
};

use encoding_rs::{DecoderResult, EUC_KR, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use madang_lake::{Error, Result};

use crate::storage;

const PIECE: usize = 256 << 10;

/// Opens a file as UTF-8, checked to its end, at the first character.
pub(super) fn open(path: &Path, scratch: &Path) -> Result<File> {
    let mut file = File::open(path).map_err(storage)?;
    let mut mark = Vec::with_capacity(3);
    (&mut file).take(3).read_to_end(&mut mark).map_err(storage)?;
    if mark.is_empty() {
        return Err(Error::invalid("the file is empty"));
    }
    let (start, declared) = match mark.as_slice() {
        [0xEF, 0xBB, 0xBF] => (3, None),
        [0xFF, 0xFE, ..] => (2, Some(UTF_16LE)),
        [0xFE, 0xFF, ..] => (2, Some(UTF_16BE)),
        _ => (0, None),
    };
    at(&mut file, start)?;
    if let Some(encoding) = declared {
        return transcode(file, encoding, "the file has a UTF-16 mark but isn't UTF-16 text", scratch);
    }
    let fits = is_utf8(&mut file)?;
    at(&mut file, start)?;
    match (fits, start) {
        (true, _) => Ok(file),
        (false, 0) => transcode(file, EUC_KR, "the file is neither UTF-8 nor CP949 text", scratch),
        (false, _) => Err(Error::invalid("the file has a UTF-8 mark but isn't UTF-8 text")),
    }
}

/// The same for a file whose encoding somebody named, by its name on the web.
pub(super) fn open_as(path: &Path, label: &str, scratch: &Path) -> Result<File> {
    let encoding = Encoding::for_label(label.as_bytes()).ok_or_else(|| Error::invalid(format!("the encoding '{label}' is not known")))?;
    let refusal = format!("the file is no {} text", encoding.name());
    if encoding == UTF_8 || encoding == UTF_16LE || encoding == UTF_16BE {
        let mut file = File::open(path).map_err(storage)?;
        let mut mark = Vec::with_capacity(3);
        (&mut file).take(3).read_to_end(&mut mark).map_err(storage)?;
        let start = match (encoding == UTF_8, mark.as_slice()) {
            (true, [0xEF, 0xBB, 0xBF]) => 3,
            (false, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]) => 2,
            _ => 0,
        };
        at(&mut file, start)?;
        if encoding != UTF_8 {
            return transcode(file, encoding, &refusal, scratch);
        }
        let fits = is_utf8(&mut file)?;
        at(&mut file, start)?;
        return if fits { Ok(file) } else { Err(Error::invalid(refusal)) };
    }
    transcode(File::open(path).map_err(storage)?, encoding, &refusal, scratch)
}

fn at(file: &mut File, start: u64) -> Result<()> {
    file.seek(SeekFrom::Start(start)).map(drop).map_err(storage)
}

/// Whether all the rest is UTF-8.
pub(super) fn is_utf8(file: &mut File) -> Result<bool> {
    let mut piece = vec![0; PIECE];
    let mut kept = 0; // bytes of a character that the last piece cut in two
    loop {
        let read = file.read(&mut piece[kept..]).map_err(storage)?;
        if read == 0 {
            return Ok(kept == 0);
        }
        let filled = kept + read;
        refuse_nul(&piece[kept..filled])?;
        kept = match std::str::from_utf8(&piece[..filled]) {
            Ok(_) => 0,
            Err(error) if error.error_len().is_some() => return Ok(false),
            Err(error) => {
                piece.copy_within(error.valid_up_to()..filled, 0);
                filled - error.valid_up_to()
            }
        };
    }
}

/// Rewrites the rest of a file as UTF-8 into a file that vanishes with its handle.
fn transcode(mut from: File, encoding: &'static Encoding, refusal: &str, scratch: &Path) -> Result<File> {
    let mut to = tempfile::tempfile_in(scratch).map_err(storage)?;
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut piece = vec![0; PIECE];
    let mut text = vec![0; decoder.max_utf8_buffer_length_without_replacement(PIECE).unwrap_or(PIECE * 4)];
    loop {
        let read = from.read(&mut piece).map_err(storage)?;
        let mut rest = &piece[..read];
        loop {
            let (result, taken, written) = decoder.decode_to_utf8_without_replacement(rest, &mut text, read == 0);
            refuse_nul(&text[..written])?;
            to.write_all(&text[..written]).map_err(storage)?;
            rest = &rest[taken..];
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {} // a character that the last piece cut in two may need more room
                DecoderResult::Malformed(..) => return Err(Error::invalid(refusal)),
            }
        }
        if read == 0 {
            at(&mut to, 0)?;
            return Ok(to);
        }
    }
}

fn refuse_nul(bytes: &[u8]) -> Result<()> {
    if bytes.contains(&0) { Err(Error::invalid("the file contains NUL bytes, so it isn't delimited text")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Characters of one to four bytes, so that every place in one is cut by the end of some piece.
    #[test]
    fn pieces_may_cut_characters_anywhere() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rows.csv");
        for ahead in 0..4 {
            let wanted = format!("{}{}", "x".repeat(ahead), "한강,é,🌊,a\n".repeat(3 * PIECE / 16));
            let without_waves = wanted.replace('🌊', "가").replace('é', "e");
            let utf_16 = wanted.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
            let (korean, ..) = EUC_KR.encode(&without_waves);
            for (label, bytes, wanted) in [
                ("utf-8", wanted.as_bytes(), &wanted),
                ("utf-16le", utf_16.as_slice(), &wanted),
                ("euc-kr", korean.as_ref(), &without_waves),
            ] {
                std::fs::write(&path, bytes).expect("writes");
                let mut read = String::new();
                open_as(&path, label, folder.path()).expect(label).read_to_string(&mut read).expect("UTF-8");
                assert!(read == *wanted, "{label}, {ahead} ahead");
            }
            std::fs::write(&path, &wanted.as_bytes()[..wanted.len() - 3]).expect("writes");
            assert!(open_as(&path, "utf-8", folder.path()).is_ok(), "nothing is cut in two");
            std::fs::write(&path, &wanted.as_bytes()[..wanted.len() - 4]).expect("writes");
            assert!(open_as(&path, "utf-8", folder.path()).is_err(), "a character that is cut at the end");
        }
    }
}
