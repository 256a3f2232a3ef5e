//! A temporary PostgreSQL server for tests, shared by all tests of a program and removed with it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Runs the server for as long as its standard input is open: the end of the test program closes it, however
/// it ends, killed included, and then the server is stopped and its folder removed. A signal, or the broken
/// pipe of a test program that is killed while initdb still works, comes to the same end. The server is told to
/// stop until it is gone: one that has only just begun does not hear the first time.
/// `$1` is the folder of the programs, `$2` the port. With `$3`, a certificate, and `$4`, its key, it also listens on
/// 127.0.0.1, with TLS. `$5` are more options of `postgres`. The folder is short, because a socket's path may have 107 bytes.
/// Lines on standard input crash the server and start it again.
const SUPERVISOR: &str = r#"
set -eu
cd /
dir=$(mktemp -d /tmp/emberline-pg.XXXXXX)
programs=$1 port=$2 options=$5
server=
addresses=
begin() {
    "$programs/postgres" -D "$dir/data" -k "$dir" -p "$port" -c listen_addresses="$addresses" -c max_connections=300 \
        -c fsync=off -c full_page_writes=off $options >>"$dir/log" 2>&1 </dev/null &
    server=$!
}
crash() {
    kill -QUIT "$server" && wait "$server" || true
    server=
}
clean() {
    trap '' INT TERM HUP PIPE
    while [ -n "$server" ] && kill -INT "$server" 2>/dev/null; do sleep 0.1; done
    rm -rf "$dir"
}
trap clean EXIT
trap : INT TERM HUP PIPE
"$1/initdb" -D "$dir/data" -U ember -A trust -E UTF8 --locale=C --no-sync >"$dir/log" 2>&1 || { cat "$dir/log" >&2; exit 1; }
if [ -n "$3" ]; then
    umask 077
    printf %s "$3" >"$dir/data/server.pem"
    printf %s "$4" >"$dir/data/server.key"
    printf "ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n" >>"$dir/data/postgresql.conf"
    addresses=127.0.0.1
fi
begin
echo "$dir"
while read -r command; do "$command"; echo "done"; done
"#;

/// The running cluster.
pub struct Cluster {
    /// The folder of its socket.
    pub folder: String,
    /// Its port; part of the socket's name.
    pub port: u16,
    /// The folder of its programs.
    programs: PathBuf,
    _supervisor: Child,
    /// Where its supervisor takes commands and answers. Its end ends the server.
    control: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

/// The cluster, started by the first test that uses it. None if PostgreSQL is not installed.
pub fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(|| or_skip(start(PORT, ["", ""], ""))).as_ref()
}

/// Another cluster, with these options of `postgres` besides those of tests, for example `-c fsync=on`. None if PostgreSQL is not
/// installed.
pub fn cluster_with(options: &str) -> Option<Cluster> {
    or_skip(start(PORT, ["", ""], options))
}

/// Another cluster, which also listens on 127.0.0.1, with TLS. None if PostgreSQL is not installed.
pub fn cluster_with_tls(certificate: &str, key: &str) -> Option<Cluster> {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    or_skip(start(free.unwrap_or_else(|error| panic!("no port: {error}")).port(), [certificate, key], ""))
}

/// Runs PgBouncer for as long as its standard input is open, in transaction mode. `$1` is the folder of PostgreSQL's socket, `$2` its
/// port, `$3` the pooler's port, `$4` its connections to a database.
const POOLER_SUPERVISOR: &str = r#"
set -eu
dir=$(mktemp -d /tmp/emberline-pooler.XXXXXX)
pooler=
clean() {
    trap '' INT TERM HUP PIPE
    [ -z "$pooler" ] || kill -INT "$pooler" 2>/dev/null || true
    rm -rf "$dir"
}
trap clean EXIT
trap : INT TERM HUP PIPE
printf '"ember" ""\n' >"$dir/users"
cat >"$dir/ini" <<END
[databases]
* = host=$1 port=$2
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $3
unix_socket_dir =
auth_type = trust
auth_file = $dir/users
pool_mode = transaction
default_pool_size = $4
max_client_conn = 500
END
pgbouncer -q "$dir/ini" >"$dir/log" 2>&1 </dev/null &
pooler=$!
read -r _ || true
"#;

/// A running PgBouncer in transaction mode, before a cluster.
pub struct Pooler {
    port: u16,
    _supervisor: Child,
    _alive: ChildStdin,
}

impl Pooler {
    /// The address of a database through the pooler.
    pub fn address(&self, database: &str) -> String {
        format!("postgres://ember@127.0.0.1:{}/{database}?sslmode=disable&pooler=transaction", self.port)
    }
}

/// PostgreSQL's own. A socket's name needs one, though nothing listens on it.
const PORT: u16 = 5432;

fn or_skip<T>(started: Result<T, String>) -> Option<T> {
    started
        .map_err(|why| {
            // Not eprintln!, whose output the test harness hides when a test passes.
            let _ = writeln!(std::io::stderr(), "\nSKIPPED: the tests on PostgreSQL: {why}");
        })
        .ok()
}

impl Cluster {
    /// The address of a database.
    pub fn address(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&user=ember", self.folder)
    }

    /// Starts PgBouncer before this cluster, with `size` connections to each database: fewer than the clients have, so that each
    /// transaction gets another one. None if PgBouncer is not installed.
    pub fn pooler(&self, size: u32) -> Option<Pooler> {
        // Debian installs it where only root looks.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let found = std::env::split_paths(&path).any(|folder| folder.join("pgbouncer").exists());
        let started = if found { self.start_pooler(size, &path) } else { Err("pgbouncer is not installed".to_owned()) };
        or_skip(started)
    }

    fn start_pooler(&self, size: u32, path: &str) -> Result<Pooler, String> {
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = free.map_err(|error| format!("no port: {error}"))?.port();
        let mut command = Command::new("sh");
        command.args(["-c", POOLER_SUPERVISOR, "sh", &self.folder]);
        command.args([self.port, port].map(|port| port.to_string())).arg(size.to_string());
        command.env("PATH", path).stdin(Stdio::piped());
        as_ordinary_user(&mut command)?;
        let mut supervisor = command.spawn().map_err(|error| format!("sh: {error}"))?;
        let alive = supervisor.stdin.take().ok_or("sh has no standard input")?;
        for _ in 0..100 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(Pooler { port, _supervisor: supervisor, _alive: alive });
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("pgbouncer did not start within 10 s");
    }

    /// Creates an empty database. Returns its address.
    pub fn create(&self, database: &str) -> String {
        self.execute("postgres", &format!("CREATE DATABASE {database} TEMPLATE template0"));
        self.address(database)
    }

    /// Ends the server as a crash does (`pg_ctl stop -m immediate`). It is not there until [`Cluster::start_again`].
    pub fn crash(&self) {
        self.control("crash");
    }

    /// Starts the server after a crash. It recovers what was committed, and takes connections soon after this returns.
    pub fn start_again(&self) {
        self.control("begin");
    }

    fn control(&self, command: &str) {
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = String::new();
        let done = writeln!(control.0, "{command}").and_then(|()| control.1.read_line(&mut answer));
        assert!(done.is_ok() && answer == "done\n", "the supervisor does not answer: {done:?} {answer:?}");
    }

    /// Runs SQL that must succeed. Returns the values of its rows, separated by `|`.
    pub fn execute(&self, database: &str, sql: &str) -> String {
        for attempt in 0.. {
            match self.try_execute(database, sql) {
                Ok(values) => return values,
                // The socket is there a moment before the server takes connections.
                Err(why) => assert!(why.contains("starting up") && attempt < 100, "{sql}: {why}"),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        unreachable!()
    }

    /// As [`Cluster::execute`].
    ///
    /// # Errors
    /// What psql says: the server is not there, or refuses the SQL.
    pub fn try_execute(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-h", &self.folder, "-p", &self.port.to_string(), "-U", "ember", "-d", database, "-AXqtc", sql]);
        let output = psql.output().unwrap_or_else(|error| panic!("psql: {error}"));
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

fn start(port: u16, tls: [&str; 2], options: &str) -> Result<Cluster, String> {
    let programs = programs().ok_or("initdb is not on this machine (Debian: apt install postgresql)")?;
    let mut command = Command::new("sh");
    command.args(["-c", SUPERVISOR, "supervisor"]).arg(&programs).arg(port.to_string()).args(tls).arg(options);
    command.env_remove("PGDATA").stdin(Stdio::piped()).stdout(Stdio::piped());
    as_ordinary_user(&mut command)?;
    let mut supervisor = command.spawn().map_err(|e| format!("sh: {e}"))?;
    let alive = supervisor.stdin.take().ok_or("no standard input")?;
    let mut folder = String::new();
    let mut output = BufReader::new(supervisor.stdout.take().ok_or("no standard output")?);
    output.read_line(&mut folder).map_err(|e| e.to_string())?;
    let folder = folder.trim().to_owned();
    // initdb exists but fails: an error to investigate, not a reason to skip the tests.
    assert!(!folder.is_empty(), "initdb of {} failed; its output is above", programs.display());
    let socket = Path::new(&folder).join(format!(".s.PGSQL.{port}"));
    for _ in 0..600 {
        if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
            let control = Mutex::new((alive, output));
            return Ok(Cluster { folder, port, programs, _supervisor: supervisor, control });
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the PostgreSQL server in {folder} did not start within a minute");
}

/// The folder of `initdb` and `postgres`: in PATH, or Debian's.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).filter_map(|folder| folder.join("initdb").canonicalize().ok());
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin/initdb")).collect())
        .unwrap_or_default();
    versions.sort();
    let folders = on_path.chain(versions.into_iter().rev()).filter_map(|initdb| initdb.parent().map(Path::to_owned));
    folders.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

/// PostgreSQL refuses to run as root; then it runs as `postgres` or `nobody`.
fn as_ordinary_user(command: &mut Command) -> Result<(), String> {
    use std::os::unix::process::CommandExt;
    let id = Command::new("id").arg("-u").output().map_err(|e| format!("id: {e}"))?;
    if id.stdout.trim_ascii() != b"0" {
        return Ok(());
    }
    let users = std::fs::read_to_string("/etc/passwd").map_err(|e| format!("/etc/passwd: {e}"))?;
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map(str::parse::<u32>);
        Some((ids.next()?.ok()?, ids.next()?.ok()?))
    };
    let (user, group) = find("postgres")
        .or_else(|| find("nobody"))
        .ok_or("PostgreSQL does not run as root, and there is no other user")?;
    command.uid(user).gid(group);
    Ok(())
}
