//! Licenses (ckan.md 4.9).

use madang_kit::ckan::Dict;
use serde_json::{Value, json};

/// A built-in license.
struct License {
    id: &'static str,
    title: &'static str,
    /// Its address; [`DEFINITION`] = the one that the Open Definition has for its id; empty = none.
    url: &'static str,
    /// Whether data under it is open.
    open: bool,
    /// Whether it is not one license but a kind of them.
    generic: bool,
    /// Fit for content, data, software.
    domains: [bool; 3],
}

const DEFINITION: &str = "definition";

const fn license(id: &'static str, title: &'static str, url: &'static str, open: bool, generic: bool, domains: [bool; 3]) -> License {
    License { id, title, url, open, generic, domains }
}

const LICENSES: [License; 15] = [
    license("notspecified", "License not specified", "", false, true, [false, false, false]),
    license("odc-pddl", "Open Data Commons Public Domain Dedication and License (PDDL)", DEFINITION, true, false, [false, true, false]),
    license("odc-odbl", "Open Data Commons Open Database License (ODbL)", DEFINITION, true, false, [false, true, false]),
    license("odc-by", "Open Data Commons Attribution License", DEFINITION, true, false, [false, true, false]),
    license("cc-zero", "Creative Commons CCZero", DEFINITION, true, false, [true, true, true]),
    license("cc-by", "Creative Commons Attribution", DEFINITION, true, false, [true, false, false]),
    license("cc-by-sa", "Creative Commons Attribution Share-Alike", DEFINITION, true, false, [true, false, false]),
    license("gfdl", "GNU Free Documentation License", DEFINITION, true, false, [true, false, false]),
    license("other-open", "Other (Open)", "", true, true, [true, false, false]),
    license("other-pd", "Other (Public Domain)", "", true, true, [true, false, false]),
    license("other-at", "Other (Attribution)", "", true, true, [true, false, false]),
    license(
        "uk-ogl",
        "UK Open Government Licence (OGL)",
        "http://reference.data.gov.uk/id/open-government-licence",
        true,
        false,
        [true, false, false],
    ),
    license(
        "cc-nc",
        "Creative Commons Non-Commercial (Any)",
        "http://creativecommons.org/licenses/by-nc/2.0/",
        false,
        false,
        [false, false, false],
    ),
    license("other-nc", "Other (Non-Commercial)", "", false, true, [false, false, false]),
    license("other-closed", "Other (Not Open)", "", false, true, [false, false, false]),
];

impl License {
    fn address(&self) -> String {
        if self.url == DEFINITION { format!("http://www.opendefinition.org/licenses/{}", self.id) } else { self.url.to_owned() }
    }

    fn dict(&self) -> Value {
        let truth = |truth: bool| if truth { "True" } else { "False" };
        let conformance = if self.open { "approved" } else { "not reviewed" };
        let [content, data, software] = self.domains.map(truth);
        json!({
            "domain_content": content, "domain_data": data, "domain_software": software, "family": "", "id": self.id,
            "is_generic": truth(self.generic), "maintainer": "", "od_conformance": conformance, "osd_conformance": "not reviewed",
            "status": "active", "title": self.title, "url": self.address(),
        })
    }
}

/// `license_list`
pub(super) fn list() -> Value {
    LICENSES.iter().map(License::dict).collect()
}

/// The title of a known license.
pub(super) fn title(id: &str) -> Option<&'static str> {
    LICENSES.iter().find(|license| license.id == id).map(|license| license.title)
}

/// Writes what a package's license makes of it: `isopen`, `license_title`, and `license_url` where there is one.
pub(super) fn describe(package: &mut Dict, id: Option<&str>) {
    let known = id.and_then(|id| LICENSES.iter().find(|license| license.id == id));
    package.insert("isopen".to_owned(), known.is_some_and(|license| license.open).into());
    package.insert("license_title".to_owned(), known.map(|license| license.title).or(id).into());
    if let Some(address) = known.map(License::address).filter(|address| !address.is_empty()) {
        package.insert("license_url".to_owned(), address.into());
    }
}
