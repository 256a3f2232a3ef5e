//! Database addresses.

use crate::backend::Reach;
use crate::{OpenFault, StoreError};
use std::path::{Path, PathBuf};
use tokio_postgres::config::Host;

/// A parsed database address.
pub(crate) enum Address {
    /// A SQLite file, by its absolute path.
    Sqlite(PathBuf),
    /// A PostgreSQL server and a database on it.
    Postgres(Box<Reach>),
}

impl Address {
    /// Parses `postgres://...` and `postgresql://...` as PostgreSQL; `sqlite:PATH`, `sqlite://PATH` and plain paths as
    /// SQLite.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let reach = Reach::parse(url).map_err(|why| refused("PostgreSQL address", &why))?;
            return Ok(Self::Postgres(Box::new(reach)));
        }
        let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url);
        match path {
            "" => Err(refused("(empty)", "the path of the database file is missing")),
            ":memory:" => Err(refused(url, "a database in memory is not supported: give the path of a file")),
            _ if path.contains("://") => {
                let scheme = path.split("://").next().unwrap_or_default();
                let known = "use a path, sqlite:PATH or postgres://USER@HOST/DATABASE";
                Err(refused(&format!("{scheme}://..."), &format!("unknown kind of database; {known}")))
            }
            // Absolute, so that SQLite never treats the name as a URI ("file:...").
            _ => std::path::absolute(Path::new(path))
                .map(Self::Sqlite)
                .map_err(|source| refused(url, &source.to_string())),
        }
    }

    /// The database's name for messages, without user and password.
    pub(crate) fn display(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(reach) => {
                let config = &reach.config;
                let host = match config.get_hosts().first() {
                    Some(Host::Tcp(host)) => host.clone(),
                    #[cfg(unix)]
                    Some(Host::Unix(folder)) => folder.display().to_string(),
                    None => "localhost".to_owned(),
                };
                let port = config.get_ports().first().map(|port| format!(":{port}")).unwrap_or_default();
                format!("postgres://{host}{port}/{}", config.get_dbname().unwrap_or_default())
            }
        }
    }
}

/// The SQLite file of an address; none for PostgreSQL and for invalid addresses.
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    match Address::parse(url) {
        Ok(Address::Sqlite(path)) => Some(path),
        _ => None,
    }
}

/// Whether a SQLite file is missing or empty while its write-ahead log holds changes.
pub fn has_log_alone(file: &Path) -> bool {
    crate::backend::files::log_alone(file).is_some()
}

fn refused(database: &str, why: &str) -> StoreError {
    StoreError::Open { database: database.to_owned(), fault: OpenFault::Address(why.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        match Address::parse(url) {
            Ok(address) => address.display(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn paths_in_every_spelling_are_files() {
        for url in ["/data/a.sqlite", "sqlite:/data/a.sqlite", "sqlite:///data/a.sqlite"] {
            assert_eq!(shown(url), "/data/a.sqlite");
        }
        assert!(shown("file:a?mode=ro").ends_with("/file:a?mode=ro"), "a plain, if odd, file name");
    }

    #[test]
    fn a_password_is_never_shown() {
        for url in ["postgres://u:s3cret@db.example:5433/ember", "postgresql://u@db.example:5433/ember?password=s3cret"]
        {
            assert_eq!(shown(url), "postgres://db.example:5433/ember");
        }
        for url in ["mysql://u:s3cret@h/d", "postgres://u:s3cret@h:port/d", "postgres://u:s3cret@h/d?sslmode=s3cret"] {
            let text = shown(url);
            assert!(text.starts_with("error: ") && !text.contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in ["", "sqlite:", ":memory:", "sqlite::memory:", "mysql://h/d"] {
            assert!(shown(url).starts_with("error: cannot open the database"), "{url}: {}", shown(url));
        }
    }
}
