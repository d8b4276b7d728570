//! Takes the API viewer's files out of the package that carries them, so that `/docs` serves them from the binary itself.

use std::{
    borrow::Cow,
    env,
    error::Error,
    fs::{self, File},
    io::{self, Cursor},
    path::PathBuf,
};

use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

const FILES: [&str; 3] = ["swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let folder = PathBuf::from(env::var("OUT_DIR")?).join("viewer");
    fs::create_dir_all(&folder)?;
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    let names = archive.file_names().map(|name| name.map(Cow::into_owned)).collect::<Result<Vec<_>, _>>()?;
    for file in FILES {
        let name = names.iter().find(|name| name.ends_with(&format!("/dist/{file}")));
        let name = name.ok_or_else(|| format!("the viewer has no file {file}"))?;
        io::copy(&mut archive.by_name(name)?, &mut File::create(folder.join(file))?)?;
    }
    Ok(())
}
