//! Every action in one table (ckan.md section 3): its name, whether it only reads (then GET will do), who may call it, where it is
//! answered, and what it is. The table drives dispatch, `help_show`, the OpenAPI document, and the tests' matrix of permissions.

mod activity;
mod datastore;
mod group;
mod load;
mod package;
mod site;
mod tag;
mod user;

use std::{collections::HashMap, sync::LazyLock};

/// An action.
pub(crate) struct Action {
    pub(crate) name: &'static str,
    /// It changes nothing, so that GET will do.
    pub(crate) reads: bool,
    pub(crate) who: Who,
    pub(crate) home: Home,
    about: &'static str,
    /// `name: meaning`
    parameters: &'static [&'static str],
    returns: &'static str,
}

/// Where an action is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// Where nearly everything is.
    Catalogue,
    /// Where users' secrets are.
    Gateway,
}

/// Who may call an action, in the words of ckan.md section 3. What the object adds to it is decided where it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Everybody.
    Anyone,
    /// Every signed-in user.
    User,
    /// Whoever may read the dataset.
    Reader,
    /// Whoever may edit the dataset.
    Editor,
    /// Admins of the organization or group.
    GroupAdmin,
    /// Whoever manages the dataset's collaborators.
    Manager,
    /// The user himself.
    Oneself,
    /// Administrators of the site.
    Sysadmin,
}

impl Who {
    /// Its name in the OpenAPI document.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Anyone => "anyone",
            Self::User => "user",
            Self::Reader => "reader",
            Self::Editor => "editor",
            Self::GroupAdmin => "group-admin",
            Self::Manager => "manager",
            Self::Oneself => "oneself",
            Self::Sysadmin => "sysadmin",
        }
    }
}

const fn read(name: &'static str, who: Who, about: &'static str, parameters: &'static [&'static str], returns: &'static str) -> Action {
    Action { name, reads: true, who, home: Home::Catalogue, about, parameters, returns }
}

const fn write(name: &'static str, who: Who, about: &'static str, parameters: &'static [&'static str], returns: &'static str) -> Action {
    Action { name, reads: false, who, home: Home::Catalogue, about, parameters, returns }
}

impl Action {
    /// The same, answered by the gateway.
    const fn here(self) -> Self {
        Self { home: Home::Gateway, ..self }
    }

    /// Its first sentence.
    pub(crate) fn summary(&self) -> &'static str {
        self.about.split_once('\n').map_or(self.about, |(first, _)| first)
    }

    /// Names and meanings of its parameters.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.parameters.iter().filter_map(|line| line.split_once(": "))
    }

    /// What `help_show` answers.
    pub(crate) fn help(&self) -> String {
        let parameters: Vec<String> = self.parameters().map(|(name, meaning)| format!(":param {name}: {meaning}\n")).collect();
        format!("{}\n\n{}\n:returns: {}\n", self.about, parameters.concat(), self.returns)
    }
}

static BY_NAME: LazyLock<HashMap<&'static str, &'static Action>> = LazyLock::new(|| all().map(|action| (action.name, action)).collect());

/// An action by its name.
pub(crate) fn find(name: &str) -> Option<&'static Action> {
    BY_NAME.get(name).copied()
}

/// Every action, in the order of ckan.md.
pub(crate) fn all() -> impl Iterator<Item = &'static Action> {
    [package::ACTIONS, group::ACTIONS, user::ACTIONS, tag::ACTIONS, activity::ACTIONS, load::ACTIONS, site::ACTIONS, datastore::ACTIONS]
        .into_iter()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_there_once_and_can_be_read_about() {
        assert_eq!(BY_NAME.len(), all().count());
        for action in all() {
            assert!(action.help().len() > 40 && action.parameters().count() == action.parameters.len(), "{}", action.name);
        }
    }
}
