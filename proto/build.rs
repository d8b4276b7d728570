//! Compiles the contracts below `proto/` without a system `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = [
        "madang/catalog/v1/action.proto",
        "madang/catalog/v1/catalog.proto",
        "madang/common/v1/failure.proto",
        "madang/pipeline/v1/flow.proto",
        "madang/pipeline/v1/job.proto",
        "madang/pipeline/v1/node.proto",
        "madang/pipeline/v1/pipeline.proto",
        "madang/pipeline/v1/storage.proto",
        "madang/spec_store/v1/spec_store.proto",
        "madang/survey/v1/live.proto",
        "madang/survey/v1/panel.proto",
        "madang/survey/v1/privacy.proto",
        "madang/survey/v1/respondent.proto",
        "madang/survey/v1/response.proto",
        "madang/survey/v1/survey.proto",
    ];
    let descriptors = protox::compile(files, ["proto"])?;
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
