//! `scripts/install`: what it says it would do is what it does, and taking it back leaves nothing.

use corerest_tests::server::unused_path;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const BINARY: &str = "usr/local/bin/corerest";
const CONFIGURATION: &str = "etc/corerest/corerest.conf";

/// The modes of what it installs.
const INSTALLED: [(&str, u32); 5] = [
    (CONFIGURATION, 0o640),
    ("etc/systemd/system/corerest.service", 0o644),
    ("etc/systemd/system/corerest.socket", 0o644),
    (BINARY, 0o755),
    ("usr/lib/sysusers.d/corerest.conf", 0o644),
];

/// A folder that stands for the root, and is removed at the end.
struct Root(PathBuf);

impl Root {
    fn new() -> Root {
        let root = Root(unused_path("root"));
        std::fs::create_dir(&root.0).expect("the name is new");
        root
    }

    /// Runs the script with this folder as the root, and returns what it says.
    fn install(&self, arguments: &[&str]) -> String {
        let output = script(arguments).env("DESTDIR", &self.0).output();
        let output = output.expect("there is a bash");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {text}{error}");
        text
    }

    /// The files in it, with their modes.
    fn files(&self) -> BTreeMap<String, u32> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("it is ours").flatten() {
                let metadata = entry.metadata().expect("nobody removes it");
                if metadata.is_dir() {
                    folders.push(entry.path());
                    continue;
                }
                let path = entry.path();
                let name = path.strip_prefix(&self.0).expect("it is in the folder");
                let mode = metadata.permissions().mode() & 0o777;
                files.insert(name.to_string_lossy().into_owned(), mode);
            }
        }
        files
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn script(arguments: &[&str]) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/install");
    let mut command = Command::new("bash");
    command.arg(path).args(arguments);
    command
}

/// An executable need not be ours for this.
fn some_binary() -> String {
    let path = std::env::current_exe().expect("the kernel knows");
    path.to_str().expect("cargo chose it").to_owned()
}

#[test]
fn a_dry_run_tells_all_and_does_nothing() {
    let root = Root::new();
    let binary = some_binary();
    let told = root.install(&["--dry-run", "--binary", &binary]);
    assert_eq!(root.files(), BTreeMap::new());
    assert_eq!(told, root.install(&["--binary", &binary]));
    for (name, _) in INSTALLED {
        assert!(
            told.contains(&format!("{}/{name}\n", root.0.display())),
            "{name}: {told}"
        );
    }
}

#[test]
fn an_upgrade_keeps_the_configuration_and_an_uninstall_too_unless_it_is_told() {
    let root = Root::new();
    let arguments = ["--binary", &some_binary()];
    root.install(&arguments);
    let installed = INSTALLED.map(|(name, mode)| (name.to_owned(), mode));
    assert_eq!(root.files(), BTreeMap::from(installed));
    let configuration = root.0.join(CONFIGURATION);
    std::fs::write(&configuration, "mine").expect("it was installed");
    std::fs::write(root.0.join(BINARY), "old").expect("it was installed");
    assert!(root.install(&arguments).contains("keep "));
    assert_eq!(std::fs::read(&configuration).expect("it is kept"), b"mine");
    assert_ne!(
        std::fs::read(root.0.join(BINARY)).expect("it is new"),
        b"old"
    );
    root.install(&["--uninstall"]);
    assert_eq!(
        root.files().into_keys().collect::<Vec<_>>(),
        [CONFIGURATION]
    );
    root.install(&["--uninstall", "--purge"]);
    assert_eq!(root.files(), BTreeMap::new());
    assert!(!root.0.join("etc/corerest").exists());
}

#[test]
fn the_configuration_to_begin_with_is_valid() {
    let root = Root::new();
    root.install(&["--binary", &some_binary()]);
    let mut command = corerest_tests::server::command();
    command.arg("--dump-config").arg(root.0.join(CONFIGURATION));
    let output = command.env("PGRST_DB_CONFIG", "false").output();
    let output = output.expect("the server can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("server-port = 3000"), "{text}");
}

#[test]
fn what_it_does_not_know_is_refused() {
    for arguments in [
        &["--unknown"][..],
        &["--dry-run", "--binary"],
        &["--dry-run", "--purge"],
    ] {
        let output = script(arguments).output().expect("there is a bash");
        assert!(!output.status.success(), "{arguments:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.starts_with("scripts/install: "), "{error}");
    }
}
