//! Files that come with an action (ckan.md section 7, 8.3): what they make of a resource's dictionary, and whose they become.

use madang_kit::{
    Context, Result, check,
    ckan::{Dict, Outcome, Refusal, date, text, truthy},
    db::Source,
};
use madang_proto::catalog::v1::{ActRequest, ActResponse, ActWithFilesRequest};
use serde_json::Value;
use tonic::Streaming;

use super::{
    Act,
    act::{self, refused},
    load, package,
    resource::{self, canonical, media_type},
};
use crate::{
    Catalog,
    file::{
        self,
        receive::{Received, Spooled, begin, last_part, receive},
    },
    permission,
    store::{
        ckan::{package as packages, resource::Resource},
        file::{self as store, File, Kind},
    },
};

/// The field of a resource's file, and of a group's picture.
const UPLOAD: &str = "upload";
const IMAGE: &str = "image_upload";
/// Characters of a name in an address: all, those behind the last dot, and at least.
const NAME_MAX: usize = 100;
const ENDING_MAX: usize = 21;
const NAME_MIN: usize = 3;

/// A stored file that waits for this action.
#[derive(Clone, Debug)]
pub(crate) struct Uploaded {
    pub(crate) file: File,
    /// The resource that it becomes.
    owner: Option<String>,
}

/// Does what an action with files says. The files are stored first, and go again if nothing keeps them.
pub(crate) async fn act_with_files(catalog: &Catalog, context: Context, mut parts: Streaming<ActWithFilesRequest>) -> Result<ActResponse> {
    let received = match take_in(catalog, &context, &mut parts).await {
        Ok(received) => received,
        Err(refusal) => return refused(refusal),
    };
    let Received { action, files, digest } = received;
    let key = context.idempotency_key.as_ref().map(|key| format!("{key}.{digest}"));
    let context = Context { idempotency_key: key, ..context };
    let (mut uploads, mut dict): (Vec<Uploaded>, Dict) = (Vec::new(), serde_json::from_slice(&action.dict).unwrap_or_default());
    let mut answer = Ok(ActResponse::default());
    for spooled in files {
        match keep(catalog, &spooled).await {
            Ok(file) => {
                dict.insert(spooled.field, file.key.clone().into());
                uploads.push(Uploaded { file, owner: None });
            }
            Err(refusal) => {
                answer = refused(refusal);
                give_up(catalog, &uploads).await;
                return answer;
            }
        }
    }
    if let Ok(bytes) = serde_json::to_vec(&dict) {
        let request = ActRequest { dict: bytes.into(), ..action };
        answer = act::act(catalog, context, request, uploads.clone()).await;
    }
    give_up(catalog, &uploads).await; // those that nothing has kept
    answer
}

async fn give_up(catalog: &Catalog, uploads: &[Uploaded]) {
    for upload in uploads {
        file::give_up(catalog, &upload.file).await;
    }
}

/// Takes the files in, after a first look at who sends them.
async fn take_in(catalog: &Catalog, context: &Context, parts: &mut Streaming<ActWithFilesRequest>) -> Outcome<Received> {
    let (action, dict) = begin(parts).await?;
    let reader = permission::reader(&catalog.db, &context.principal).await?;
    let mut act = Act::new(catalog, context.clone(), &action, dict, Source::from(&catalog.db), reader);
    demand(&mut act).await?;
    receive(catalog, parts).await
}

/// Refuses early who may not write what is known so far; the action itself looks again.
async fn demand(act: &mut Act) -> Outcome<()> {
    act.demand_login()?;
    let dataset = match act.action.as_str() {
        "resource_create" => act.text("package_id").filter(|word| !word.is_empty()),
        "resource_update" | "resource_patch" => match act.text("id").filter(|id| !id.is_empty()) {
            Some(id) => Some(resource::find(act, &id).await?.dataset_id),
            None => None,
        },
        _ => None,
    };
    let Some(word) = dataset else { return Ok(()) };
    let found = packages::find(&mut act.source, &word).await?.ok_or_else(Refusal::not_found)?;
    package::demand_edit(act, &found).await
}

/// Stores a file under the kind that its field says.
async fn keep(catalog: &Catalog, spooled: &Spooled) -> Outcome<File> {
    let kind = match last_part(&spooled.field) {
        UPLOAD => Kind::Resource,
        IMAGE => Kind::Image,
        _ => return Err(Refusal::invalid(&spooled.field, "Files are taken as upload or image_upload")),
    };
    let name = plain(&spooled.filename);
    let media = media_type(&name).map_or_else(|| spooled.content_type.clone(), str::to_owned);
    if kind == Kind::Image {
        check_image(catalog, &media)?;
    }
    Ok(file::store(catalog, kind, &name, &media, &spooled.path, spooled.sha256.clone()).await?)
}

/// `ckan.upload.group.types`, `ckan.upload.group.mimetypes`
fn check_image(catalog: &Catalog, media: &str) -> Outcome<()> {
    let site = &catalog.site;
    let (kinds, types) = (&site.upload_group_types, &site.upload_group_mimetypes);
    let allowed = |list: &[String], word: &str| list.is_empty() || list.iter().any(|known| known == "*" || known == word);
    let kind = media.split('/').next().unwrap_or_default();
    if allowed(kinds, kind) && allowed(types, media) {
        return Ok(());
    }
    Err(Refusal::invalid(IMAGE, format!("Unsupported upload type: {media}")))
}

/// A file's name without folders and control characters.
fn plain(filename: &str) -> String {
    let last = filename.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).take(check::TITLE_CHARS).collect();
    if name.trim().is_empty() { "file".to_owned() } else { name }
}

/// A file's name in an address (ckan.md 4.10). One without any letter that may stand there is called `file`.
pub(crate) fn munged(filename: &str) -> String {
    let name = plain(filename).to_lowercase();
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) => (stem, Some(ending)),
        None => (name.as_str(), None),
    };
    let ending: String = ending.map(|ending| format!(".{}", letters(ending))).unwrap_or_default().chars().take(ENDING_MAX).collect();
    let stem: String = letters(stem).chars().take(NAME_MAX - ending.len()).collect();
    let stem = if stem.trim_matches(['-', '.', '_']).is_empty() { "file".to_owned() } else { stem };
    let ending = if ending == "." { String::new() } else { ending };
    format!("{stem}{ending:_<0$}", NAME_MIN.saturating_sub(stem.len()))
}

fn letters(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for c in text.chars() {
        let c = if c == ' ' { '-' } else { c };
        let fits = c.is_ascii_alphanumeric() || "_.-".contains(c);
        if fits && !(c == '-' && kept.ends_with('-')) {
            kept.push(c);
        }
    }
    kept
}

/// Writes into a resource's dictionary what its file says, before it is read; gives the file's place among the uploads.
pub(crate) fn place(act: &Act, given: &mut Dict, old: Option<&Resource>) -> Option<usize> {
    let key = given.remove(UPLOAD).and_then(|value| value.as_str().map(str::to_owned));
    let clears = given.remove("clear_upload").is_some_and(|value| truthy(&value));
    let found = act.uploads.iter().position(|upload| key.as_deref() == Some(upload.file.key.as_str()));
    if let Some(upload) = found.and_then(|at| act.uploads.get(at)) {
        let file = &upload.file;
        given.insert("url".to_owned(), munged(&file.name).into());
        given.insert("url_type".to_owned(), UPLOAD.into());
        given.insert("size".to_owned(), file.bytes.into());
        given.insert("hash".to_owned(), file.sha256.clone().into());
        given.insert("last_modified".to_owned(), date(act.now).into());
        match media_type(&file.name) {
            Some(media) => drop(given.insert("mimetype".to_owned(), media.into())),
            None => drop(given.remove("mimetype")),
        }
        return found;
    }
    let was_upload = old.is_some_and(is_upload);
    if clears {
        given.insert("url_type".to_owned(), Value::from(""));
        if was_upload && text(given, "hash") == old.and_then(|old| text(&old.fields, "hash")) {
            given.insert("hash".to_owned(), "".into());
            given.insert("size".to_owned(), "".into());
        }
    } else if was_upload && text(given, "url_type").is_none_or(|kind| kind == UPLOAD) {
        let url = text(given, "url").unwrap_or_default();
        let kept = old.and_then(|old| text(&old.fields, "url")).unwrap_or_default();
        let name = url.trim().rsplit('/').next().filter(|name| !name.is_empty()).map_or(kept, str::to_owned);
        given.insert("url".to_owned(), name.into());
    }
    None
}

/// Notes which resource a file becomes.
pub(crate) fn belongs(act: &mut Act, place: Option<usize>, resource: &Resource) {
    if let Some(upload) = place.and_then(|place| act.uploads.get_mut(place)) {
        upload.owner = Some(resource.id.clone());
    }
}

/// Gives written resources their files, lets those go that they had, and has loaded what is new. Each with what it was before.
pub(crate) async fn written(act: &mut Act, changed: &[(Option<&Resource>, &Resource)]) -> Outcome<()> {
    let mut to_load = Vec::new();
    for (old, resource) in changed {
        let upload = act.uploads.iter().find(|upload| upload.owner.as_ref() == Some(&resource.id)).cloned();
        let is_new_file = upload.is_some();
        if let Some(upload) = upload {
            store::keep(&mut act.source, &File { since: act.now, ..upload.file }, Kind::Resource, &resource.id).await?;
        } else if old.is_some_and(is_upload) && !is_upload(resource) {
            store::release(&mut act.source, Kind::Resource, &resource.id, act.now).await?;
        }
        let same = |name: &str| old.is_some_and(|old| old.fields.get(name) == resource.fields.get(name));
        let is_new = is_new_file || !same("url") || !same("url_type") || old.is_none_or(|old| old.format != resource.format);
        if is_new {
            to_load.push(*resource);
        }
    }
    load::wish(act, &to_load).await
}

/// Whether a resource's file is here.
pub(crate) fn is_upload(resource: &Resource) -> bool {
    text(&resource.fields, "url_type").as_deref() == Some(UPLOAD)
}

/// A group's picture: an uploaded one goes before an address. Gives the name that the address ends with.
pub(crate) async fn image(act: &mut Act, given: &Dict, group: &str) -> Outcome<Option<String>> {
    let key = text(given, IMAGE).unwrap_or_default();
    let clears = given.get("clear_upload").is_some_and(truthy);
    let Some(upload) = act.uploads.iter().find(|upload| upload.file.key == key).cloned() else {
        if clears {
            store::release(&mut act.source, Kind::Image, group, act.now).await?;
            return Ok(Some(text(given, "image_url").unwrap_or_default()));
        }
        return Ok(None);
    };
    let name = format!("{}{}", act.now.format("%Y-%m-%d-%H%M%S%.6f"), munged(&upload.file.name));
    let file = File { name: name.clone(), since: act.now, ..upload.file };
    store::keep(&mut act.source, &file, Kind::Image, group).await?;
    Ok(Some(name))
}

/// The format that a file's name says.
pub(crate) fn format_of(name: &str) -> String {
    media_type(name).map(canonical).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_addresses() {
        for (given, wanted) in [
            ("Data File.CSV", "data-file.csv"),
            ("C:\\x\\a  b.txt", "a-b.txt"),
            ("데이터.csv", "file.csv"),
            ("데이터 2024.csv", "-2024.csv"),
            ("a", "a__"),
            ("../..", "file"),
            ("", "file"),
            ("x.tar.gz", "x.tar.gz"),
        ] {
            assert_eq!(munged(given), wanted, "{given}");
        }
        assert_eq!(munged(&format!("{}.{}", "x".repeat(200), "y".repeat(50))).len(), NAME_MAX);
    }
}
