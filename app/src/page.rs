//! The page at an address and its content. The content is read before rendering starts. A page without script is then
//! complete, the status of a missing project is known before the first byte, and the front end needs neither a router nor
//! suspense. Without them, and with events handled by the studio alone, the first file fell from 242 to 166 kB (brotli).

use crate::{drafts::Library, packed::Packed};
#[cfg(feature = "ssr")]
use protocol::project::SHOWN_PROJECTS;
use protocol::{BinProject, Problem, Project, ProjectId, Studio, Worker};
use serde::{Deserialize, Serialize};

/// The page at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// `/`: all projects.
    Projects,
    /// `/projects/7`: one project's studio.
    Studio(ProjectId),
    /// `/library`: the files in the folders of `--models`.
    Library,
    /// `/workers`: the servers and workers that share the database.
    Workers,
    /// `/bin`: the deleted projects.
    Bin,
    /// Any other address.
    Nowhere,
}

impl Page {
    /// The page at this path. A project id that is not a number gives [`Page::Nowhere`].
    pub fn at(path: &str) -> Self {
        match path {
            "/" => Self::Projects,
            "/library" => Self::Library,
            "/workers" => Self::Workers,
            "/bin" => Self::Bin,
            path => {
                let id = path.strip_prefix("/projects/").and_then(|id| id.parse().ok());
                id.map_or(Self::Nowhere, Self::Studio)
            }
        }
    }
}

/// The initial content of a page. Events update it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Content {
    /// The list of projects.
    Projects {
        /// The shown projects, plus one if there are more.
        list: Packed<Vec<Project>>,
        /// The default model's recommended width and height, pixels.
        size: Option<(u32, u32)>,
    },
    /// One project.
    Studio {
        /// The project's name.
        name: String,
        /// The state of the studio.
        studio: Packed<Studio>,
    },
    /// The library.
    Library(Packed<Library>),
    /// The servers and workers.
    Workers(Packed<Vec<Worker>>),
    /// The deleted projects.
    Bin(Packed<Vec<BinProject>>),
    /// The error page.
    Problem(Problem),
}

impl Content {
    /// The initial title of the window.
    pub fn title(&self) -> String {
        let own = match self {
            Self::Projects { .. } => "Projects",
            Self::Studio { name, .. } => name,
            Self::Library(_) => "Library",
            Self::Workers(_) => "Workers",
            Self::Bin(_) => "Bin",
            Self::Problem(Problem::NotFound(_)) => "Not found",
            Self::Problem(_) => "Something is wrong",
        };
        title(own)
    }
}

/// The title of a window: the page's own part and the product's name.
pub fn title(own: &str) -> String {
    format!("{own} · Emberline")
}

#[cfg(feature = "ssr")]
impl Content {
    /// Reads the content of a page; `query` is the query of its address.
    pub async fn read(page: Page, query: &str, services: &dyn studio::Services) -> Self {
        Self::try_read(page, query, services).await.unwrap_or_else(Self::Problem)
    }

    async fn try_read(page: Page, query: &str, services: &dyn studio::Services) -> Result<Self, Problem> {
        match page {
            Page::Projects => {
                let models = services.list_models().await?;
                let size = models.first().map(|model| (model.recommended.width, model.recommended.height));
                let after = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "after");
                let after = after.map(|(_, place)| place.into_owned());
                let list = services.list_projects(after, SHOWN_PROJECTS + 1).await?;
                Ok(Self::Projects { list: Packed::new(&list)?, size })
            }
            Page::Studio(id) => {
                let studio = services.get_studio(id).await?;
                Ok(Self::Studio { name: studio.project.name.clone(), studio: Packed::new(&studio)? })
            }
            Page::Library => Ok(Self::Library(Packed::new(&Library::read(query, services).await?)?)),
            Page::Workers => Ok(Self::Workers(Packed::new(&services.list_workers().await?)?)),
            Page::Bin => Ok(Self::Bin(Packed::new(&services.list_deleted_projects().await?)?)),
            Page::Nowhere => Err(Problem::NotFound("page at this address".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_map_to_pages() {
        assert_eq!(Page::at("/"), Page::Projects);
        assert_eq!(Page::at("/library"), Page::Library);
        assert_eq!(Page::at("/workers"), Page::Workers);
        assert_eq!(Page::at("/bin"), Page::Bin);
        assert_eq!(Page::at("/projects/7"), Page::Studio(ProjectId(7)));
        for path in
            ["", "//", "/projects", "/projects/", "/projects/x", "/projects/7/", "/projects/7/x", "/projects/1e9"]
        {
            assert_eq!(Page::at(path), Page::Nowhere, "{path}");
        }
    }
}
