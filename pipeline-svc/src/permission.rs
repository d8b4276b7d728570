//! Who may do what with pipelines and runs. What belongs to an organization follows the rights there, which the catalogue knows;
//! what belongs to none is visible to every signed-in user and changed by its creator.

use std::collections::HashMap;

use madang_kit::{Code, Context, Error, Id, Result};
use madang_proto::catalog::v1::OrganizationAccess;

use crate::{Pipelines, store::pipeline::Pipeline};

/// Refuses unless the caller may change or start a pipeline.
pub(crate) async fn demand_write(pipelines: &Pipelines, context: &Context, pipeline: &Pipeline) -> Result<()> {
    if pipeline.created_by == context.principal.user || context.principal.is_admin() {
        return Ok(());
    }
    match pipeline.organization {
        Some(organization) => pipelines.catalog.demand_organization(context, organization, OrganizationAccess::Write).await,
        None => Err(Error::new(Code::Denied, "you are not allowed to do this")),
    }
}

/// What a caller may see, asked once for each organization.
pub(crate) struct Sight<'a> {
    pipelines: &'a Pipelines,
    context: &'a Context,
    known: HashMap<Id, bool>,
}

impl<'a> Sight<'a> {
    pub(crate) fn new(pipelines: &'a Pipelines, context: &'a Context) -> Self {
        Self { pipelines, context, known: HashMap::new() }
    }

    /// Whether the caller may see what belongs to this organization, or to none.
    pub(crate) async fn of(&mut self, organization: Option<Id>) -> Result<bool> {
        let Some(organization) = organization else { return Ok(true) };
        if let Some(known) = self.known.get(&organization) {
            return Ok(*known);
        }
        let seen = match self.pipelines.catalog.demand_organization(self.context, organization, OrganizationAccess::Read).await {
            Ok(()) => true,
            Err(error) if matches!(error.code, Code::NotFound | Code::NotVisible | Code::Denied) => self.context.principal.is_admin(),
            Err(error) => return Err(error),
        };
        self.known.insert(organization, seen);
        Ok(seen)
    }
}
