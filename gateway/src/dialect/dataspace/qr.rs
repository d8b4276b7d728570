//! `…/collect-groups/{collectGroupId}/qr`: a group's link as a picture (dataspace.md section 11), SVG or PNG.

use std::io::Write;

use axum::{
    extract::State,
    http::{
        HeaderMap,
        header::{ACCEPT, CONTENT_TYPE, VARY},
    },
    response::{IntoResponse, Response},
};
use flate2::{Compression, Crc, write::ZlibEncoder};
use madang_kit::{Error, Result, rpc};
use madang_proto::survey::v1::GetCollectGroupRequest;
use qrcode::{Color, QrCode, render::svg};

use super::{Refusal, call::Author, survey};
use crate::Gateway;

/// Pixels of a picture's side, at least.
const SIDE: u32 = 256;
/// Light modules around a code, as ISO/IEC 18004 asks for.
const MARGIN: u32 = 4;
const SVG: &str = "image/svg+xml";
const PNG: &str = "image/png";

/// The link without parameters.
pub(super) async fn show(State(gateway): State<Gateway>, author: Author, headers: HeaderMap) -> Result<Response, Refusal> {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = match author.query.get("format") {
        Some("png") => PNG,
        None if wish(accept, PNG) > wish(accept, SVG) => PNG,
        Some("svg") | None => SVG,
        Some(_) => return Err(Error::invalid("format", "choice", "format must be svg or png").into()),
    };
    let request = GetCollectGroupRequest { id: author.lower("collectGroupId", "collect_group")? };
    let group = gateway.surveys.clone().get_collect_group(rpc::request(&author.context, request)).await?.into_inner();
    if group.channel != survey::PUBLIC_LINK {
        return Err(
            Error::invalid("channel", "channel", format!("a collect group of the channel {} has no public link", group.channel)).into()
        );
    }
    let code = QrCode::new(survey::url(&gateway, &author.space, &group, &[])).map_err(Error::internal)?;
    let picture = if kind == PNG { png(&code)? } else { code.render::<svg::Color<'_>>().min_dimensions(SIDE, SIDE).build().into_bytes() };
    Ok(([(CONTENT_TYPE, kind), (VARY, "accept")], picture).into_response())
}

/// How much a type is wished for by an `Accept` header, in thousandths; what is not named is not.
fn wish(accept: &str, kind: &str) -> u32 {
    let mut best = (0, 0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let fits = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
            name if name == kind => 3,
            "image/*" => 2,
            "*/*" => 1,
            _ => continue,
        };
        let said = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
        let thousandths = (said.clamp(0.0, 1.0) * 1000.0).round();
        // The closest range decides.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
        let wished = thousandths as u32;
        best = best.max((fits, wished));
    }
    best.1
}

/// A picture of one bit a pixel (ISO/IEC 15948).
fn png(code: &QrCode) -> Result<Vec<u8>> {
    let width = u32::try_from(code.width()).map_err(Error::internal)?;
    let modules = width + 2 * MARGIN;
    let scale = SIDE.div_ceil(modules);
    let side = modules * scale;
    let colors = code.to_colors();
    let is_dark = |x: u32, y: u32| {
        let inside = |at: u32| (at / scale).checked_sub(MARGIN).filter(|module| *module < width);
        let module = inside(x).zip(inside(y)).map(|(x, y)| y * width + x);
        module.and_then(|module| colors.get(usize::try_from(module).ok()?)) == Some(&Color::Dark)
    };
    let mut lines = ZlibEncoder::new(Vec::new(), Compression::best());
    for y in 0..side {
        let mut line = vec![0_u8]; // no filter
        for first in (0..side).step_by(8) {
            let bits = (first..first + 8).filter(|x| *x < side && !is_dark(*x, y));
            line.push(bits.fold(0, |byte, x| byte | 0x80 >> (x - first)));
        }
        lines.write_all(&line).map_err(Error::internal)?;
    }
    let mut picture = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = [side.to_be_bytes(), side.to_be_bytes()].concat();
    header.extend([1, 0, 0, 0, 0]); // one bit of grey, deflated, not interlaced
    chunk(&mut picture, *b"IHDR", &header)?;
    chunk(&mut picture, *b"IDAT", &lines.finish().map_err(Error::internal)?)?;
    chunk(&mut picture, *b"IEND", &[])?;
    Ok(picture)
}

fn chunk(picture: &mut Vec<u8>, name: [u8; 4], bytes: &[u8]) -> Result<()> {
    let mut sum = Crc::new();
    sum.update(&name);
    sum.update(bytes);
    picture.extend(u32::try_from(bytes.len()).map_err(Error::internal)?.to_be_bytes());
    picture.extend(name);
    picture.extend(bytes);
    picture.extend(sum.sum().to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_range_decides() {
        for (accept, png, svg) in [
            ("", 0, 0),
            ("image/png", 1000, 0),
            ("*/*", 1000, 1000),
            ("image/png;q=0.5, image/*", 500, 1000),
            ("image/avif,image/png,image/svg+xml,*/*;q=0.8", 1000, 1000),
            ("text/html, image/PNG; q=0.25", 250, 0),
        ] {
            assert_eq!((wish(accept, PNG), wish(accept, SVG)), (png, svg), "{accept}");
        }
    }

    #[test]
    fn a_picture_is_the_code() {
        let code = QrCode::new("https://x/r/a").expect("a code");
        let picture = png(&code).expect("a picture");
        assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"));
        let side = u32::from_be_bytes(picture[16..20].try_into().expect("four bytes"));
        assert!(side >= SIDE && side % (u32::try_from(code.width()).expect("small") + 2 * MARGIN) == 0, "{side}");
    }
}
