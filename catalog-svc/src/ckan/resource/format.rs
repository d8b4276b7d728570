//! What a file's name says about its format and media type, and the one spelling that a format has (ckan.md 4.2).

/// A format: its name, media types, and other words for it, the file extension among them.
struct Format {
    name: &'static str,
    media: &'static [&'static str],
    words: &'static [&'static str],
}

const fn format(name: &'static str, media: &'static [&'static str], words: &'static [&'static str]) -> Format {
    Format { name, media, words }
}

const FORMATS: &[Format] = &[
    format("CSV", &["text/csv"], &["comma separated values"]),
    format("TSV", &["text/tab-separated-values"], &["tab separated values", "tab"]),
    format("TXT", &["text/plain"], &["text", "plain"]),
    format("JSON", &["application/json"], &[]),
    format("NDJSON", &["application/x-ndjson"], &["jsonl", "json lines"]),
    format("GeoJSON", &["application/geo+json", "application/vnd.geo+json"], &["geojson"]),
    format("XML", &["application/xml", "text/xml"], &[]),
    format("HTML", &["text/html"], &["htm"]),
    format("XHTML", &["application/xhtml+xml"], &[]),
    format("XLS", &["application/vnd.ms-excel", "application/excel", "application/x-msexcel"], &["excel"]),
    format("XLSX", &["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"], &["excel (xlsx)"]),
    format("ODS", &["application/vnd.oasis.opendocument.spreadsheet"], &["opendocument spreadsheet"]),
    format("ODT", &["application/vnd.oasis.opendocument.text"], &[]),
    format("ODP", &["application/vnd.oasis.opendocument.presentation"], &[]),
    format("DOC", &["application/msword"], &["word"]),
    format("DOCX", &["application/vnd.openxmlformats-officedocument.wordprocessingml.document"], &[]),
    format("PDF", &["application/pdf"], &[]),
    format("ZIP", &["application/zip", "application/x-zip-compressed"], &["zipped"]),
    format("GZ", &["application/gzip", "application/x-gzip"], &["gzip"]),
    format("BZ2", &["application/x-bzip2"], &["bzip2"]),
    format("7Z", &["application/x-7z-compressed"], &[]),
    format("TAR", &["application/x-tar"], &[]),
    format("RAR", &["application/x-rar-compressed", "application/vnd.rar"], &[]),
    format("RDF", &["application/rdf+xml"], &["rdf/xml"]),
    format("N3", &["text/n3"], &["turtle", "ttl"]),
    format("OWL", &["application/owl+xml"], &[]),
    format("SPARQL", &["application/sparql-results+xml"], &["sparql web form"]),
    format("KML", &["application/vnd.google-earth.kml+xml"], &[]),
    format("KMZ", &["application/vnd.google-earth.kmz"], &[]),
    format("SHP", &[], &["esri shapefile", "shapefile", "esri shape"]),
    format("GPX", &["application/gpx+xml"], &[]),
    format("WMS", &[], &["web mapping service", "wms web service"]),
    format("WFS", &[], &["web feature service"]),
    format("WCS", &[], &["web coverage service"]),
    format("WMTS", &[], &["web map tile service"]),
    format("GTFS", &[], &["general transit feed specification"]),
    format("NetCDF", &["application/x-netcdf", "application/netcdf"], &["nc"]),
    format("PNG", &["image/png"], &[]),
    format("JPEG", &["image/jpeg"], &["jpg", "jpe"]),
    format("GIF", &["image/gif"], &[]),
    format("SVG", &["image/svg+xml"], &[]),
    format("TIFF", &["image/tiff"], &["tif"]),
    format("BMP", &["image/x-ms-bmp", "image/bmp"], &[]),
    format("MP3", &["audio/mpeg"], &[]),
    format("MP4", &["video/mp4"], &[]),
    format("WAV", &["audio/x-wav", "audio/wav"], &[]),
    format("OGG", &["audio/ogg"], &[]),
    format("PPT", &["application/vnd.ms-powerpoint"], &["powerpoint"]),
    format("PPTX", &["application/vnd.openxmlformats-officedocument.presentationml.presentation"], &[]),
    format("RSS", &["application/rss+xml"], &[]),
    format("Atom Feed", &["application/atom+xml"], &["atom"]),
    format("Esri REST", &[], &["arcgis_rest", "arcgis rest", "esri rest", "arcgis geoservices rest api"]),
    format("dBase", &["application/x-dbf"], &["dbf"]),
    format("MDB", &["application/x-msaccess"], &["access"]),
    format("E00", &[], &["arcinfo e00"]),
    format("QGIS", &["application/x-qgis"], &["qgs"]),
    format("MXD", &[], &[]),
    format("ICS", &["text/calendar"], &["ical"]),
    format("EXE", &["application/x-msdownload"], &[]),
    format("BIN", &["application/octet-stream"], &[]),
    format("SQL", &["application/sql"], &[]),
    format("PARQUET", &["application/vnd.apache.parquet"], &[]),
    format("JS", &["application/javascript", "text/javascript"], &[]),
    format("PY", &["text/x-python"], &[]),
];

/// The one spelling of a format; an unknown one as it is.
pub(in crate::ckan) fn canonical(text: &str) -> String {
    let word = text.trim().to_lowercase();
    let known = FORMATS.iter().find(|format| {
        format.name.to_lowercase() == word || format.media.contains(&word.as_str()) || format.words.contains(&word.as_str())
    });
    known.map_or_else(|| text.trim().to_owned(), |format| format.name.to_owned())
}

/// The media type that an address's file extension stands for.
pub(in crate::ckan) fn media_type(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(Some(path), |(_, rest)| rest.split_once('/').map(|(_, path)| path))?;
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    let extension = extension.to_lowercase();
    let known = FORMATS.iter().find(|format| format.name.to_lowercase() == extension || format.words.contains(&extension.as_str()))?;
    known.media.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_has_one_spelling() {
        for (given, wanted) in [
            ("csv", "CSV"),
            ("text/csv", "CSV"),
            ("htm", "HTML"),
            ("jpg", "JPEG"),
            ("geojson", "GeoJSON"),
            ("Esri Shapefile", "SHP"),
            ("Foo", "Foo"),
        ] {
            assert_eq!(canonical(given), wanted, "{given}");
        }
    }

    #[test]
    fn an_extension_tells_the_media_type() {
        for (url, wanted) in [
            ("http://example.com/a/data.CSV?x=1", Some("text/csv")),
            ("http://example.com", None),
            ("http://example.com/zip", None),
            ("data.json", Some("application/json")),
            ("", None),
        ] {
            assert_eq!(media_type(url), wanted, "{url}");
        }
    }
}
