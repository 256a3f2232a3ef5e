//! Which page an address names, and what it is made from. All of it is read before the first tag is rendered:
//! a page without script is then complete, the status of a missing project is known before the first byte, and
//! the front end needs neither a router nor suspense. Without them, and with events read by the studio alone, its
//! first file fell from 242 to 166 kB (brotli).

use crate::packed::Packed;
#[cfg(feature = "ssr")]
use protocol::project::SHOWN_PROJECTS;
use protocol::{Problem, Project, ProjectId, Studio};
use serde::{Deserialize, Serialize};

/// The page at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// `/`: all projects.
    Projects,
    /// `/projects/7`: one project's studio.
    Studio(ProjectId),
    /// Any other.
    Nowhere,
}

impl Page {
    /// The page at this path. An id that is no number is a page that is not there.
    pub fn at(path: &str) -> Self {
        match path {
            "/" => Self::Projects,
            path => {
                let id = path.strip_prefix("/projects/").and_then(|id| id.parse().ok());
                id.map_or(Self::Nowhere, Self::Studio)
            }
        }
    }
}

/// What a page shows at first; from then on it lives by its events.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Content {
    /// The list of projects.
    Projects {
        /// As many as are shown, and one more where there are more.
        list: Packed<Vec<Project>>,
        /// Width and height of the default model's best pictures.
        size: Option<(u32, u32)>,
    },
    /// One project.
    Studio {
        /// The project's name.
        name: String,
        /// All that its page shows.
        studio: Packed<Studio>,
    },
    /// Why there is nothing else to show.
    Problem(Problem),
}

impl Content {
    /// What the page's window is called at first.
    pub fn title(&self) -> String {
        let own = match self {
            Self::Projects { .. } => "Projects",
            Self::Studio { name, .. } => name,
            Self::Problem(Problem::NotFound(_)) => "Not found",
            Self::Problem(_) => "Something is wrong",
        };
        title(own)
    }
}

/// What a window is called: the page's own part and the product's name.
pub fn title(own: &str) -> String {
    format!("{own} · Emberline")
}

#[cfg(feature = "ssr")]
impl Content {
    /// Reads what the page needs; `after` is the place that the projects follow.
    pub async fn read(page: Page, after: Option<String>, services: &dyn studio::Services) -> Self {
        Self::try_read(page, after, services).await.unwrap_or_else(Self::Problem)
    }

    async fn try_read(page: Page, after: Option<String>, services: &dyn studio::Services) -> Result<Self, Problem> {
        match page {
            Page::Projects => {
                let models = services.list_models().await?;
                let size = models.first().map(|model| (model.recommended.width, model.recommended.height));
                let list = services.list_projects(after, SHOWN_PROJECTS + 1).await?;
                Ok(Self::Projects { list: Packed::new(&list)?, size })
            }
            Page::Studio(id) => {
                let studio = services.get_studio(id).await?;
                Ok(Self::Studio { name: studio.project.name.clone(), studio: Packed::new(&studio)? })
            }
            Page::Nowhere => Err(Problem::NotFound("page at this address".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_one_page() {
        assert_eq!(Page::at("/"), Page::Projects);
        assert_eq!(Page::at("/projects/7"), Page::Studio(ProjectId(7)));
        for path in
            ["", "//", "/projects", "/projects/", "/projects/x", "/projects/7/", "/projects/7/x", "/projects/1e9"]
        {
            assert_eq!(Page::at(path), Page::Nowhere, "{path}");
        }
    }
}
