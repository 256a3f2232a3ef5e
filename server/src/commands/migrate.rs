//! `emberline migrate`: brings the tables of a database up to date.

use anyhow::{Context, Result};
use clap::Args;
use std::io::{self, Write};
use store::Store;

/// Options of `emberline migrate`.
#[derive(Clone, Debug, Args)]
#[command(args_override_self = true)]
pub struct MigrateArgs {
    /// The database: `postgres://...`, also while servers of the version before use it, or `sqlite:FILE`.
    #[arg(long, env = "EMBERLINE_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: String,
}

/// Runs the missing migrations, and prints one line. Fails for a database of a newer version that does not allow this one.
pub fn run(args: &MigrateArgs) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the async runtime")?;
    runtime.block_on(async {
        let store = Store::own(&args.database_url).await.context("cannot open the database")?;
        store.close().await.context("cannot close the database")
    })?;
    writeln!(io::stdout(), "The database is up to date").context("cannot print the result")
}
