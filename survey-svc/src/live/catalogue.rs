//! What live tables ask of the catalogue.

use std::time::Duration;

use madang_kit::{
    Code, Context, Error, Id, Principal, Result,
    ckan::Actions,
    principal,
    rpc::{self, Channel},
};
use madang_proto::catalog::v1::{
    DemandOrganizationRequest, OrganizationAccess, UpdateDatasetRequest, catalog_client::CatalogClient,
    permissions_client::PermissionsClient,
};
use serde_json::{Value, json};

use super::{
    columns::{Described, KEY},
    service,
};
use crate::store::live::Live;

/// How long one call may take.
pub(super) const WITHIN: Duration = Duration::from_secs(10);
/// Earlier versions of the table go as soon as the catalogue lets them: what was erased must not stay readable in them.
const OPTIONS: &str = r#"{"deleted_file_retention_duration":"interval 0 days"}"#;
/// The name of the table's resource.
const RESOURCE: &str = "responses";

/// A client of catalog-svc.
#[derive(Clone)]
pub(crate) struct Catalogue {
    actions: Actions,
    datasets: CatalogClient<Channel>,
    permissions: PermissionsClient<Channel>,
}

/// What a dataset of answers says of itself.
pub(super) struct Place<'a> {
    pub(super) organization: Id,
    pub(super) title: &'a str,
    pub(super) survey: &'a str,
}

/// The service at work for a person, who was asked about before; what is made is his.
pub(super) fn in_the_name_of(principal: &Principal) -> Context {
    Context::new(Principal {
        user: principal.user,
        name: principal.name.clone(),
        space: None,
        roles: vec![principal::ADMIN.to_owned()],
        scheme: principal::Scheme::Service,
    })
}

/// The service at work by itself.
pub(super) fn by_itself() -> Context {
    let roles = vec![principal::ADMIN.to_owned()];
    Context::new(Principal { user: service(), name: "survey".to_owned(), space: None, roles, scheme: principal::Scheme::Service })
}

impl Catalogue {
    pub(crate) fn new(channel: Channel) -> Self {
        let actions = Actions::new(channel.clone());
        Self { actions, datasets: CatalogClient::new(channel.clone()), permissions: PermissionsClient::new(channel) }
    }

    async fn act(&self, context: &Context, action: &str, dict: &Value) -> Result<Value> {
        let late = |_| Error::new(Code::Unavailable, "the catalogue does not answer");
        tokio::time::timeout(WITHIN, self.actions.act(context, action, dict)).await.map_err(late)?
    }

    /// Refuses unless the caller may make datasets in an organization.
    pub(super) async fn demand_editor(&self, context: &Context, organization: Id) -> Result<()> {
        let access = OrganizationAccess::Write.into();
        let request = DemandOrganizationRequest { organization_id: organization.to_string(), access };
        let outcome = self.permissions.clone().demand_organization(rpc::request(context, request)).await.map_err(Error::from);
        match outcome {
            Err(error) if matches!(error.code, Code::NotFound | Code::NotVisible | Code::Invalid) => {
                Err(Error::invalid("collectionId", "unknown", "collectionId: there is no such collection"))
            }
            other => other.map(drop),
        }
    }

    /// Makes a dataset that the members of its organization see, with a table. Gives the ids of both.
    pub(super) async fn make(&self, actor: &Context, place: &Place<'_>, columns: &[Described]) -> Result<(String, String)> {
        let (dataset, table) = (Id::generate(), Id::generate());
        let package = json!({
            "id": dataset, "name": format!("survey-{}", dataset.ulid_lower()), "title": place.title, "owner_org": place.organization,
            "private": true, "extras": [{"key": "survey_id", "value": spelled(place.survey)}],
        });
        self.act(actor, "package_create", &package).await?;
        let made = async {
            let request =
                UpdateDatasetRequest { id: dataset.to_string(), options: Some(OPTIONS.to_owned()), ..UpdateDatasetRequest::default() };
            self.datasets.clone().update_dataset(rpc::request(actor, request)).await.map_err(Error::from)?;
            let resource = json!({"package_id": dataset, "id": table, "name": RESOURCE});
            self.act(actor, "datastore_create", &json!({"resource": resource, "fields": columns, "primary_key": [KEY]})).await
        };
        if let Err(error) = made.await {
            self.remove(actor, &dataset.to_string()).await?;
            return Err(error);
        }
        Ok((dataset.to_string(), table.to_string()))
    }

    /// Moves the dataset of a table that is there, and gives its ids; none if the dataset or the table was removed.
    pub(super) async fn move_to(
        &self,
        actor: &Context,
        live: &Live,
        place: &Place<'_>,
        columns: &[Described],
    ) -> Result<Option<(String, String)>> {
        if !self.is_there(actor, live).await? {
            return Ok(None);
        }
        if live.organization_id != place.organization.to_string() {
            self.act(actor, "package_patch", &json!({"id": live.dataset_id, "owner_org": place.organization})).await?;
        }
        self.set_columns(actor, live, columns).await?;
        Ok(Some((live.dataset_id.clone(), live.table_id.clone())))
    }

    /// Whether the dataset and the resource of a table are there.
    pub(super) async fn is_there(&self, actor: &Context, live: &Live) -> Result<bool> {
        match self.act(actor, "package_show", &json!({"id": live.dataset_id})).await {
            Ok(package) => {
                let resources = package.get("resources").and_then(Value::as_array).into_iter().flatten();
                let mut ids = resources.filter_map(|resource| resource.get("id").and_then(Value::as_str));
                Ok(package.get("state").and_then(Value::as_str) == Some("active") && ids.any(|id| id == live.table_id))
            }
            Err(error) if error.code == Code::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives a table its columns; where one has another type than before, the table is emptied.
    pub(super) async fn set_columns(&self, actor: &Context, live: &Live, columns: &[Described]) -> Result<()> {
        let known: Vec<Described> = serde_json::from_str(&live.columns).unwrap_or_default();
        let changed = |column: &Described| known.iter().any(|known| known.id == column.id && known.kind != column.kind);
        if columns.iter().any(changed) {
            self.act(actor, "datastore_delete", &json!({"resource_id": live.table_id, "force": true})).await?;
        }
        let table = json!({
            "resource_id": live.table_id, "fields": columns, "primary_key": [KEY], "delete_fields": true, "force": true,
        });
        self.act(actor, "datastore_create", &table).await.map(drop)
    }

    /// Writes rows by their sheets.
    pub(super) async fn upsert(&self, live: &Live, records: &[Value]) -> Result<()> {
        let rows = json!({"resource_id": live.table_id, "method": "upsert", "records": records, "force": true});
        self.act(&by_itself(), "datastore_upsert", &rows).await.map(drop)
    }

    /// Takes the rows of sheets out.
    pub(super) async fn take_out(&self, live: &Live, sheets: &[String]) -> Result<()> {
        let rows = json!({"resource_id": live.table_id, "filters": {KEY: sheets}, "force": true});
        self.act(&by_itself(), "datastore_records_delete", &rows).await.map(drop)
    }

    /// Removes a dataset that nobody has seen yet.
    pub(super) async fn remove(&self, actor: &Context, dataset: &str) -> Result<()> {
        self.act(actor, "package_delete", &json!({"id": dataset})).await.map(drop)
    }
}

fn spelled(id: &str) -> String {
    crate::export::spelled(id)
}
