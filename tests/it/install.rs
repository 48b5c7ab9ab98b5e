//! `scripts/install`: what it says it would do is what it does, and taking it back leaves nothing.

use corerest_tests::server::unused_path;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const BINARY: &str = "usr/local/bin/corerest";
const PREVIOUS: &str = "usr/local/bin/corerest.previous";
const CONFIGURATION: &str = "etc/corerest/corerest.conf";

/// The modes of what it installs.
const INSTALLED: [(&str, u32); 6] = [
    (CONFIGURATION, 0o640),
    ("etc/systemd/system/corerest.service", 0o644),
    ("etc/systemd/system/corerest.socket", 0o644),
    (BINARY, 0o755),
    ("usr/lib/sysusers.d/corerest.conf", 0o644),
    ("usr/lib/tmpfiles.d/corerest.conf", 0o644),
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
        self.install_below("/usr/local", arguments)
    }

    fn install_below(&self, prefix: &str, arguments: &[&str]) -> String {
        let mut script = script(arguments);
        let output = script
            .env("DESTDIR", &self.0)
            .env("PREFIX", prefix)
            .output();
        let output = output.expect("there is a bash");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {text}{error}");
        text
    }

    /// What is in one of its files.
    #[track_caller]
    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).expect("it was installed")
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
    assert_ne!(root.read(BINARY), b"old");
    assert_eq!(root.read(PREVIOUS), b"old");
    root.install(&["--uninstall"]);
    assert_eq!(
        root.files().into_keys().collect::<Vec<_>>(),
        [CONFIGURATION]
    );
    root.install(&["--uninstall", "--purge"]);
    assert_eq!(root.files(), BTreeMap::new());
    assert!(!root.0.join("etc/corerest").exists());
}

/// Something that runs, and is not like the one of another number.
fn executable(root: &Root, number: u32) -> String {
    let path = root.0.join(format!("executable-{number}"));
    std::fs::write(&path, format!("#!/bin/sh\nexit {number}\n")).expect("the folder is ours");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("it is ours");
    path.to_str().expect("we chose it").to_owned()
}

#[test]
fn what_was_replaced_comes_back() {
    let root = Root::new();
    let executables = [1, 2].map(|number| executable(&root, number));
    let [first, second] = executables.each_ref().map(|path| {
        root.install(&["--no-strip", "--binary", path]);
        root.read(BINARY)
    });
    assert_ne!(first, second);
    // Installed again, it is not its own predecessor.
    root.install(&["--no-strip", "--binary", &executables[1]]);
    for expected in [[&second, &first], [&first, &second], [&second, &first]] {
        assert_eq!([&root.read(BINARY), &root.read(PREVIOUS)], expected);
        root.install(&["--rollback"]);
    }
    std::fs::remove_file(root.0.join(PREVIOUS)).expect("it is kept");
    let output = script(&["--rollback"]).env("DESTDIR", &root.0).output();
    let error = String::from_utf8(output.expect("there is a bash").stderr).expect("it is ASCII");
    assert!(error.contains("there is no "), "{error}");
}

#[test]
fn symbols_are_taken_away_unless_they_are_wanted() {
    let root = Root::new();
    let binary = some_binary();
    root.install(&["--no-strip", "--binary", &binary]);
    let whole = root.read(BINARY).len();
    root.install(&["--binary", &binary]);
    assert!(root.read(BINARY).len() < whole / 2, "{whole}");
}

#[test]
fn units_are_where_the_prefix_says_and_about_what_is_there() {
    for (prefix, units) in [
        ("/usr", "usr/lib/systemd/system"),
        ("/opt/corerest/", "etc/systemd/system"),
    ] {
        let root = Root::new();
        let binary = executable(&root, 0);
        root.install_below(prefix, &["--no-strip", "--binary", &binary]);
        let program = format!("{}/bin/corerest", prefix.trim_end_matches('/'));
        assert_eq!(root.read(&program[1..]), root.read("executable-0"));
        let service = root.read(&format!("{units}/corerest.service"));
        let service = String::from_utf8(service).expect("it is ours");
        for start in ["\nExecStart=", "\n#ExecStartPre="] {
            assert!(service.contains(&format!("{start}{program} ")), "{service}");
        }
        assert!(!service.contains("/usr/local"), "{service}");
        root.read(&format!("{units}/corerest.socket"));
        root.install_below(prefix, &["--uninstall", "--purge"]);
        assert_eq!(
            root.files().into_keys().collect::<Vec<_>>(),
            ["executable-0"]
        );
    }
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
