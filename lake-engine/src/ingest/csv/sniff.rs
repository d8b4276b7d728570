//! Which of the usual delimiters a file uses.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use madang_lake::Result;

use super::records::{Scan, scan};
use crate::storage;

const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];
const SAMPLE: u64 = 256 << 10;
const RECORDS: usize = 50;

/// The delimiter under which most of the first records have as many fields as the header, and the more the better.
/// A file that none of them splits has one column; then it does not matter.
pub(in crate::ingest) fn delimiter(text: &mut File) -> Result<u8> {
    let start = text.stream_position().map_err(storage)?;
    let mut sample = Vec::new();
    let read = text.take(SAMPLE).read_to_end(&mut sample).map_err(storage)?;
    text.seek(SeekFrom::Start(start)).map_err(storage)?;
    let whole = (read as u64) < SAMPLE;
    let mut best = ((0, 0), CANDIDATES[0]);
    for candidate in CANDIDATES {
        let score = score(&sample, whole, candidate);
        if score > best.0 {
            best = (score, candidate);
        }
    }
    Ok(best.1)
}

/// How well a delimiter explains the sample: the share of records (in 1000) that agree with the header, then the width.
fn score(sample: &[u8], whole: bool, delimiter: u8) -> (usize, usize) {
    let (mut fields, mut at) = (Vec::new(), 0);
    let (mut width, mut seen, mut agreeing) = (0, 0, 0);
    while seen < RECORDS {
        let whole = whole || seen == 0; // a header longer than the sample still has delimiters
        let Scan::Record { length } = scan(&sample[at..], whole, delimiter, usize::MAX, &mut fields) else { break };
        at += length;
        if fields.len() == 1 && fields[0].is_blank() {
            continue;
        }
        if seen == 0 {
            width = fields.len();
        }
        seen += 1;
        agreeing += usize::from(fields.len() == width);
    }
    if width < 2 { (0, 0) } else { (agreeing * 1_000 / seen, width) }
}
