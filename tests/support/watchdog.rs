//! A small shell process that ends what a test run has started, when the run ends.
//!
//! Destructors do not run for statics, for aborts, or when somebody kills the run. But the kernel
//! closes the run's pipes in every case, and a process that reads from one takes notice.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Collects process ids until its input ends, then kills those.
const SCRIPT: &str = r#"
pids=
while read -r verb pid; do
  case $verb in
    watch) pids="$pids $pid" ;;
    forget)
      others=
      for other in $pids; do [ "$other" = "$pid" ] || others="$others $other"; done
      pids=$others ;;
  esac
done
[ -z "$pids" ] || kill -9 $pids
rm -rf "$FOLDER"
"#;

/// A folder for the files of this run; it is removed at the end.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("corerest-run-{}", std::process::id()));
        std::fs::create_dir(&folder).expect("the temporary folder can be written");
        folder
    })
}

/// Has this process killed at the end of the run.
pub fn watch(pid: u32) {
    tell("watch", pid);
}

/// The process has ended; its number may belong to somebody else soon.
pub fn forget(pid: u32) {
    tell("forget", pid);
}

fn tell(verb: &str, pid: u32) {
    static WATCHDOG: OnceLock<Mutex<Child>> = OnceLock::new();
    let watchdog = WATCHDOG.get_or_init(|| Mutex::new(start()));
    let mut child = watchdog.lock().unwrap_or_else(PoisonError::into_inner);
    let input = child.stdin.as_mut().expect("its input is a pipe");
    writeln!(input, "{verb} {pid}").expect("the watchdog reads until we end");
}

fn start() -> Child {
    let mut command = Command::new("sh");
    command
        .args(["-c", SCRIPT])
        .env("FOLDER", folder())
        .stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C is for us; the watchdog notices.
    command.process_group(0).spawn().expect("there is a shell")
}
