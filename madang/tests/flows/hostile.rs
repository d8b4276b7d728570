//! Sources and requests that mean harm: refused or contained.

use madang_proto::pipeline::v1::{Findability, FlowLimits, FlowSource};
use serde_json::json;

use crate::{
    house::{House, OWNER},
    plan::{flow, plain, table},
    python::ask,
    server::Answer,
};

/// Addresses that lead where nobody may look, directly and by redirections, and streams without an end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_addresses_fail_the_flow() {
    let house = House::new().await;
    let schema = json!({"fields": [{"name": "a"}]});
    let redirect = |path: &str, to: &str| house.server.set(path, Answer::Redirect(to.to_owned()));
    let loopback = redirect("/loopback.csv", "http://127.0.0.1:1/x.csv");
    let metadata = redirect("/metadata.csv", "http://169.254.169.254/latest/meta-data/");
    let file = redirect("/file.csv", "file:///etc/passwd");
    let round = redirect("/round.csv", "/round.csv");
    let gone = house.server.set("/gone.csv", Answer::Status(404));
    let broken = house.server.set("/broken.csv", Answer::Status(503));
    let endless = house.server.set("/endless.csv", Answer::Endless);
    let cases = [
        ("http://127.0.0.1:1/x.csv", "is a private address"),
        ("http://169.254.169.254/latest/meta-data/", "is a private address"),
        ("http://[::1]:80/", "is a private address"),
        (&loopback, "is a private address"),
        (&metadata, "is a private address"),
        (&file, "only http and https addresses are fetched"),
        (&round, "leads on too often"),
        (&gone, "answered 404"),
        (&broken, "answered 503"),
        (&endless, "which is the limit"),
        ("file:///etc/passwd", "Scheme is not supported"),
        ("ftp://example.org/x", "Scheme is not supported"),
        ("objectstorage://nobucket/x", "not found"),
        ("upload:../../etc/passwd", "the uploaded file is not here"),
    ];
    for (revision, (url, wanted)) in (1..).zip(cases) {
        let mut request = flow("bad", revision, Findability::Published, vec![table("t", url, "csv", &schema)]);
        request.limits = Some(FlowLimits { max_source_bytes: 1 << 20, ..FlowLimits::default() });
        let story = house.run(request).await;
        let end = &story.ends[&format!("{OWNER}/bad/{revision}/t_csv")];
        assert!(!end.success && end.errors.iter().any(|line| line.contains(wanted)), "{url}: {:?}", end.errors);
        assert!(story.published.is_none());
    }
}

/// Names that lead elsewhere and plans that make no sense are refused when they come; nothing of them is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_plans_are_refused() {
    let house = House::new().await;
    let good = || flow("plan", 1, Findability::Published, vec![plain("a", "http://example.org/a", "txt")]);
    let with = |change: &dyn Fn(&mut madang_proto::pipeline::v1::StartFlowRequest)| {
        let mut request = good();
        change(&mut request);
        request
    };
    let source = |change: FlowSource| with(&move |request| request.sources = vec![change.clone()]);
    let bad = [
        with(&|request| request.flow_id = "0e9b59/../1".to_owned()),
        with(&|request| request.revision = 0),
        with(&|request| request.findability = 0),
        with(&|request| request.files_url = "http://hub/x".to_owned()),
        with(&|request| request.descriptor = "[]".to_owned()),
        source(FlowSource { name: "../a".to_owned(), ..plain("a", "", "txt") }),
        source(FlowSource { path: "archive/../../x".to_owned(), ..plain("a", "", "txt") }),
        source(FlowSource { path: "/etc/passwd".to_owned(), ..plain("a", "", "txt") }),
        source(FlowSource { kind: 0, ..plain("a", "", "txt") }),
        source(FlowSource { steps: r#"[{"run": "shell"}]"#.to_owned(), ..plain("a", "", "txt") }),
        with(&|request| request.sources.push(plain("a", "", "txt"))),
        with(&|request| request.artifacts[0].pipeline_id = "0e9b59/other/1/x".to_owned()),
        with(&|request| request.artifacts[0].pipeline_id = "0e9b59/plan/1/../x".to_owned()),
        with(&|request| request.artifacts[0].depends_on = vec!["0e9b59/plan/1/a".to_owned()]),
        with(&|request| request.artifacts[0].kind = 0),
        with(&|request| request.artifacts.push(request.artifacts[0].clone())),
    ];
    for request in bad {
        let told = format!("{request:?}");
        let refused = house.start(request).await.expect_err(&told);
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{told}");
    }
}

/// A workbook that unpacks to far more than a source may have, an archive within archives, and text of one endless line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs_are_contained() {
    let house = House::new().await;
    let schema = json!({"fields": [{"name": "a"}]});
    let bomb = r#"
import base64, io, sys, zipfile
def packed(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()
sheet = "<worksheet><sheetData>" + "<row><c t='inlineStr'><is><t>" + "x" * 1000 + "</t></is></c></row>" * 1 + ("<row><c t='inlineStr'><is><t>" + "x" * 1000 + "</t></is></c></row>") * 40000 + "</sheetData></worksheet>"
book = packed({
    "xl/workbook.xml": "<workbook><sheets><sheet name='a' id='r1'/></sheets></workbook>",
    "xl/_rels/workbook.xml.rels": "<Relationships><Relationship Id='r1' Target='sheet.xml'/></Relationships>",
    "xl/sheet.xml": sheet,
})
inner = b"x" * 1000000
for level in range(5):
    inner = packed({f"{level}.zip": inner})
print(base64.b64encode(book if sys.argv[1:] and open(sys.argv[1]).read() == "book" else inner).decode())
"#;
    let made = |what: &str| base64::Engine::decode(&base64::engine::general_purpose::STANDARD, ask(what.as_bytes(), bomb)).unwrap();
    let (book, archive) = (made("book"), made("archive"));
    assert!(book.len() < 1 << 20, "{} bytes that unpack to forty million", book.len());
    let cases = [
        (house.server.file("/book.xlsx", book), "xlsx", "more than the limit"),
        (house.server.file("/archive.xlsx", archive.clone()), "xlsx", "workbook"),
        (house.server.file("/archive.csv", archive), "csv", ""),
        (house.server.file("/line.csv", "x".repeat(900_000)), "csv", "not in the header"),
    ];
    for (revision, (url, format, wanted)) in (1..).zip(cases) {
        let mut request = flow("bomb", revision, Findability::Published, vec![table("t", &url, format, &schema)]);
        request.limits = Some(FlowLimits { max_source_bytes: 1 << 20, ..FlowLimits::default() });
        let story = house.run(request).await;
        let end = &story.ends[&format!("{OWNER}/bomb/{revision}/t_csv")];
        assert!(!end.success && end.errors.iter().any(|line| line.contains(wanted)), "{url}: {:?}", end.errors);
        assert!(story.ends[&format!("{OWNER}/bomb/{revision}/validation_report")].success);
    }
}

/// A long enumeration over many rows costs nobody else anything; the flow can be cancelled meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_enumeration_is_no_burden() {
    let house = House::new().await;
    let of = |count: usize| json!({"fields": [{"name": "a", "type": "date", "format": "any", "constraints": {"enum": vec!["x"; count]}}]});
    let rows = "2000-01-01\n".repeat(20_000);
    let url = house.server.file("/t.csv", format!("a\n{rows}"));
    let begun = std::time::Instant::now();
    let story = house.run(flow("enum", 1, Findability::Private, vec![table("t", &url, "csv", &of(90_000))])).await;
    assert!(begun.elapsed() < std::time::Duration::from_mins(1), "{:?}", begun.elapsed());
    let end = &story.ends[&format!("{OWNER}/enum/1/t_csv")];
    assert!(end.errors[1].contains("does not conform to the given enumeration") && end.errors[1].len() < 500, "{:?}", end.errors);
    let story = house.run(flow("enum", 2, Findability::Private, vec![table("t", &url, "csv", &of(100_001))])).await;
    let end = &story.ends[&format!("{OWNER}/enum/2/t_csv")];
    assert_eq!(end.errors[1], "Table Schema error: field \"a\": enum has more than 100000 values");
}

/// All files of a flow together have a limit, whatever they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_has_a_limit_of_bytes() {
    let house = House::with(None, |config| config.flow_bytes = 300_000).await;
    let schema = json!({"fields": [{"name": "a"}]});
    let file = |path: &str, bytes: usize| house.server.file(path, format!("a\n{}\n", "x".repeat(bytes)));
    let wanted = "the files of the flow have more than 300000 bytes together, which is the limit";
    let cases = [
        (vec![table("t", &file("/big.csv", 400_000), "csv", &schema)], "t_csv"),
        (vec![table("t", &file("/half.csv", 90_000), "csv", &schema)], "t"),
        ((0..4).map(|at| plain(&format!("p{at}"), &file(&format!("/{at}.bin"), 90_000), "bin")).collect(), "bytes_zip"),
    ];
    for (revision, (sources, pipeline)) in (1..).zip(cases) {
        let story = house.run(flow("bytes", revision, Findability::Private, sources)).await;
        let end = &story.ends[&format!("{OWNER}/bytes/{revision}/{pipeline}")];
        assert!(!end.success && end.errors.iter().any(|line| line == wanted), "{revision}: {:?}", story.ends);
        assert!(story.ends[&format!("{OWNER}/bytes/{revision}")].errors[0].starts_with("Dependency unsuccessful."));
    }
}
