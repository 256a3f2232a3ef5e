//! The library's page: which files are listed, as its address has it, and its content.

use crate::query;
use protocol::ProjectId;
use serde::{Deserialize, Serialize};

/// The fields of the page's form and of its address. Empty fields filter nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Words that a file's name, path, title, base, family or trigger words contain.
    pub search: String,
    /// Name of a kind.
    pub kind: String,
    /// `on`: only favourites.
    pub favourites: String,
    /// The place in the list after which the page starts.
    pub after: String,
    /// Id of the project that a file is used in.
    pub project: String,
}

/// Files on a page.
pub const LIBRARY_PAGE: usize = 48;

impl Filter {
    fn fields(&self) -> [(&'static str, &String); 5] {
        [
            ("search", &self.search),
            ("kind", &self.kind),
            ("favourites", &self.favourites),
            ("after", &self.after),
            ("project", &self.project),
        ]
    }

    /// The page's address, without the base path.
    pub fn address(&self) -> String {
        let fields = self.fields().into_iter().filter(|(_, text)| !text.is_empty());
        let query = query::encode(&fields.map(|(name, text)| (name, text.as_str())).collect::<Vec<_>>());
        if query.is_empty() { "/library".to_owned() } else { format!("/library?{query}") }
    }

    /// Whether files are left out of the list.
    pub fn is_narrow(&self) -> bool {
        [&self.search, &self.kind, &self.favourites].into_iter().any(|text| !text.is_empty())
    }
}

#[cfg(feature = "ssr")]
impl Filter {
    /// The filter in a query. Unknown fields are ignored.
    pub fn from_query(query: &str) -> Self {
        let mut filter = Self::default();
        for (name, text) in form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "search" => &mut filter.search,
                "kind" => &mut filter.kind,
                "favourites" => &mut filter.favourites,
                "after" => &mut filter.after,
                "project" => &mut filter.project,
                _ => continue,
            };
            *place = text.into_owned();
        }
        filter
    }

    /// The same for the services.
    pub fn query(&self) -> studio::LibraryQuery {
        studio::LibraryQuery {
            kind: protocol::LibraryKind::from_name(&self.kind),
            search: self.search.clone(),
            favourites: !self.favourites.is_empty(),
            after: Some(self.after.clone()).filter(|after| !after.is_empty()),
            limit: LIBRARY_PAGE,
        }
    }
}

/// What the page is rendered with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Library {
    /// Which files are listed.
    pub filter: Filter,
    /// The files.
    pub page: protocol::LibraryPage,
    /// Projects that a file can be used in, most recently changed first: id and name.
    pub projects: Vec<(ProjectId, String)>,
}

/// Most projects that are offered.
#[cfg(feature = "ssr")]
const MAX_PROJECTS: usize = 50;

#[cfg(feature = "ssr")]
impl Library {
    /// Reads the content of the page; `query` is the query of its address.
    pub async fn read(query: &str, services: &dyn studio::Services) -> Result<Self, protocol::Problem> {
        let mut filter = Filter::from_query(query);
        let projects = services.list_projects(None, MAX_PROJECTS).await?;
        let projects: Vec<_> = projects.into_iter().map(|project| (project.id, project.name)).collect();
        if projects.iter().all(|(id, _)| id.to_string() != filter.project) {
            filter.project = projects.first().map(|(id, _)| id.to_string()).unwrap_or_default();
        }
        let page = services.list_library(filter.query()).await?;
        Ok(Self { filter, page, projects })
    }
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back() {
        let filter = Filter {
            search: "ink & \"龍\"".into(),
            kind: "lora".into(),
            favourites: "on".into(),
            after: "lora:a/b c".into(),
            project: "7".into(),
        };
        let address = filter.address();
        let query = address.strip_prefix("/library?").expect("a query");
        assert_eq!(Filter::from_query(query), filter);
        assert!(filter.is_narrow());
        assert_eq!(Filter::default().address(), "/library");
        assert_eq!(Filter::from_query("later=1&kind=colour").query().kind, None);
    }
}
