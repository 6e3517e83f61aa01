//! One Postgres cluster in a folder: made, started, stopped, watched.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

pub const USER: &str = "devpocket";
pub const PORT: u16 = 5432;
/// Seconds after the last test process until the cluster is stopped.
const LINGER_SECONDS: u32 = 20;
const SETTINGS: &str = "-c listen_addresses='' -c fsync=off -c full_page_writes=off \
     -c max_connections=300 -c shared_buffers=32MB -c log_min_messages=warning";

/// A cluster in a folder: `data`, the socket and the log beside it.
pub struct Cluster {
    pub folder: PathBuf,
}

impl Cluster {
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub fn lock_file(&self, name: &str) -> File {
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.folder.join(name))
            .expect("a lock file in the cluster's folder")
    }

    pub fn is_running(&self) -> bool {
        UnixStream::connect(self.folder.join(format!(".s.PGSQL.{PORT}"))).is_ok()
    }

    pub fn give_to_postgres(&self) {
        if let Some((uid, gid)) = postgres_user() {
            chown(&self.folder, Some(uid), Some(gid)).expect("root may give a folder away");
        }
        let _ = fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o755));
    }

    pub fn make(&self) {
        self.give_to_postgres();
        run(self
            .command("initdb")
            .args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-U", USER])
            .arg(self.data()));
    }

    pub fn start(&self) {
        let settings = format!("-k {} -p {PORT} {SETTINGS}", self.folder.display());
        run(self
            .command("pg_ctl")
            .args(["start", "--wait", "--silent", "-D"])
            .arg(self.data())
            .arg("-l")
            .arg(self.folder.join("log"))
            .arg("-o")
            .arg(settings));
    }

    pub fn stop(&self) {
        run(self.command("pg_ctl").args(["stop", "-m", "immediate", "-D"]).arg(self.data()));
    }

    /// Starts the watchdog unless one is there.
    pub fn watch(&self) {
        let script = format!(
            "while :; do flock -x use.lock true; sleep {LINGER_SECONDS}; \
             flock -n -x use.lock sh -c '{stop} stop -m immediate -D data; rm -rf data log' \
             && exit; done",
            stop = bin_dir().join("pg_ctl").display(),
        );
        // In the background of a shell that ends at once: it is nobody's child afterwards.
        run(self
            .command_at(Path::new("sh"))
            .args(["-c", "flock --version >/dev/null && (flock -n -x watch.lock sh -c \"$0\" &)"])
            .arg(script)
            .process_group(0));
    }

    fn command(&self, program: &str) -> Command {
        self.command_at(&bin_dir().join(program))
    }

    fn command_at(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder);
        if let Some((uid, gid)) = postgres_user() {
            command.uid(uid).gid(gid);
        }
        command
    }
}

/// Runs to the end; the output goes through files, since a server started by it keeps pipes open.
fn run(command: &mut Command) {
    let mut output = tempfile::tempfile().expect("a temporary file");
    let for_child = || output.try_clone().expect("a file handle can be doubled");
    let (stdout, stderr) = (for_child(), for_child());
    let status = command
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .status()
        .unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    if !status.success() {
        let mut text = String::new();
        let _ = std::io::Seek::rewind(&mut output);
        let _ = output.read_to_string(&mut text);
        panic!("{command:?} failed ({status}): {text}");
    }
}

/// Folder of Postgres' programs.
pub fn bin_dir() -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    // A link in PATH leads to the folder with all of them, `pg_dump` included.
    let resolve = || {
        let folder = find_bin_dir();
        let server = folder.join("initdb").canonicalize();
        server.ok().and_then(|path| Some(path.parent()?.to_owned())).unwrap_or(folder)
    };
    FOUND.get_or_init(resolve).clone()
}

fn find_bin_dir() -> PathBuf {
    let has_server = |folder: &PathBuf| folder.join("initdb").is_file();
    if let Some(folder) = std::env::var_os("DEVPOCKET_POSTGRES_BIN").map(PathBuf::from) {
        assert!(has_server(&folder), "DEVPOCKET_POSTGRES_BIN={} has no initdb", folder.display());
        return folder;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(folder) = std::env::split_paths(&path).find(has_server) {
        return folder;
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())))
        .map(|(version, folder)| (version, folder.join("bin")))
        .filter(|(_, folder)| has_server(folder))
        .max()
        .map(|(_, folder)| folder)
        .expect(
            "these tests need Postgres' server programs (initdb, postgres): install `postgresql`, \
             or set DEVPOCKET_POSTGRES_BIN to their folder",
        )
}

/// Whom Postgres' programs run as when this process is root.
fn postgres_user() -> Option<(u32, u32)> {
    if own_uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some("postgres")).then_some(())?;
        Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    Some(ids.unwrap_or((65534, 65534)))
}

pub fn own_uid() -> u32 {
    static UID: OnceLock<u32> = OnceLock::new();
    *UID.get_or_init(|| {
        let file = tempfile::tempfile().expect("a temporary file");
        file.metadata().expect("metadata of an open file").uid()
    })
}
