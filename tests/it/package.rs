//! `scripts/package`, about something that takes no minutes to build: what is in the packages, and
//! that the same goes in twice. `scripts/test-package` lets the package live.

use corerest_tests::server::unused_path;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// When the packages are said to be made.
const EPOCH: u64 = 1_700_000_000;

/// A folder that is removed at the end, with an executable to be packed, and its documents.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(unused_path("package"));
        let documents = folder.0.join("documents");
        std::fs::create_dir_all(&documents).expect("the name is new");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(EPOCH);
        for document in corerest_documents::documents(now) {
            std::fs::write(documents.join(document.name), document.text).expect("it is ours");
        }
        let executable = folder.0.join("executable");
        std::fs::write(&executable, "#!/bin/sh\n").expect("it is ours");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&executable, mode).expect("it is ours");
        folder
    }

    /// Packages into a folder in it, whose path is returned.
    fn package(&self, name: &str) -> PathBuf {
        let output = self.0.join(name);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut command = Command::new("bash");
        command.arg(root.join("scripts/package"));
        command.args(["--architecture", "aarch64", "--binary"]);
        command.arg(self.0.join("executable"));
        command.arg("--documents").arg(self.0.join("documents"));
        command.arg("--output").arg(&output);
        command.env("SOURCE_DATE_EPOCH", EPOCH.to_string());
        run(command.env("COREREST_COMMIT", "0123456789ab"));
        output
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a command prints that has to succeed.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program is there");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).expect("it is UTF-8")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The mode, the owner and the path of each file.
fn contents(package: &Path) -> Vec<String> {
    let listed = run(Command::new("dpkg-deb").arg("--contents").arg(package));
    let lines = listed.lines().filter(|line| !line.ends_with('/'));
    let lines = lines.map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        format!("{} {} {}", words[0], words[1], words[5])
    });
    lines.collect()
}

#[test]
fn packages_are_complete_and_made_twice_alike() {
    let version = env!("CARGO_PKG_VERSION");
    let folder = Folder::new();
    let [output, again] = ["one", "two"].map(|name| folder.package(name));
    let sums = read(&output.join("SHA256SUMS"));
    assert_eq!(sums, read(&again.join("SHA256SUMS")));
    let archive = format!("corerest-{version}-aarch64-linux-musl.tar.gz");
    let debian = format!("corerest_{version}-1_arm64.deb");
    let parts = format!("corerest-{version}-aarch64-linux-musl.cdx.json");
    for name in [&archive, &debian, &parts] {
        assert!(sums.contains(&format!("  {name}\n")), "{name}: {sums}");
    }
    check_debian_package(&output.join(debian), version);
    let listed = run(Command::new("tar").arg("-tzf").arg(output.join(archive)));
    for name in [
        "/corerest",
        "/LICENSE",
        "/systemd/corerest.service",
        "/manual/corerest.1",
    ] {
        assert!(listed.lines().any(|line| line.ends_with(name)), "{listed}");
    }
    let parts = read(&output.join(parts));
    for part in [
        r#""purl": "pkg:cargo/ring@"#,
        r#""bom-ref": "rust-std""#,
        "0123456789ab",
    ] {
        assert!(parts.contains(part), "{part}");
    }
    // What only the tests have is in no executable.
    assert!(!parts.contains("shuttle"));
    let root = output.join("image/arm64");
    assert_eq!(read(&root.join("usr/bin/corerest")), "#!/bin/sh\n");
    let mode = std::fs::metadata(root.join("var/tmp")).expect("it is there");
    assert_eq!(mode.permissions().mode() & 0o7777, 0o1777);
}

#[test]
fn what_lies_elsewhere_is_left_alone() {
    let folder = Folder::new();
    let output = folder.0.join("home");
    std::fs::create_dir(&output).expect("it is ours");
    std::fs::write(output.join("letter"), "dear").expect("it is ours");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/package");
    let mut command = Command::new("bash");
    command.arg(script).args(["--architecture", "x86_64"]);
    command.arg("--binary").arg(folder.0.join("executable"));
    command.arg("--output").arg(&output);
    let refused = command.output().expect("there is a bash");
    assert!(!refused.status.success(), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("there is something else in"), "{said}");
    assert_eq!(read(&output.join("letter")), "dear");
    // In a folder of its own, what it made before is made anew, and what came to it stays.
    let made = folder.package("one");
    std::fs::write(made.join("letter"), "dear").expect("it is ours");
    std::fs::write(made.join("corerest_0.0.1-1_arm64.deb"), "old").expect("it is ours");
    assert_eq!(folder.package("one"), made);
    assert_eq!(read(&made.join("letter")), "dear");
    assert!(!made.join("corerest_0.0.1-1_arm64.deb").exists());
}

fn check_debian_package(package: &Path, version: &str) {
    let files = contents(package);
    for expected in [
        "-rw-r----- root/root ./etc/corerest/corerest.conf",
        "-rwxr-xr-x root/root ./usr/bin/corerest",
        "-rw-r--r-- root/root ./usr/lib/systemd/system/corerest.service",
        "-rw-r--r-- root/root ./usr/lib/systemd/system/corerest.socket",
        "-rw-r--r-- root/root ./usr/lib/sysusers.d/corerest.conf",
        "-rw-r--r-- root/root ./usr/share/bash-completion/completions/corerest",
        "-rw-r--r-- root/root ./usr/share/doc/corerest/changelog.Debian.gz",
        "-rw-r--r-- root/root ./usr/share/doc/corerest/copyright",
        "-rw-r--r-- root/root ./usr/share/fish/vendor_completions.d/corerest.fish",
        "-rw-r--r-- root/root ./usr/share/man/man1/corerest.1.gz",
        "-rw-r--r-- root/root ./usr/share/man/man5/corerest.conf.5.gz",
        "-rw-r--r-- root/root ./usr/share/zsh/vendor-completions/_corerest",
    ] {
        assert!(files.iter().any(|file| file == expected), "{files:#?}");
    }
    // Another package, or the administrator, may have what is elsewhere.
    for file in &files {
        let path = file.rsplit(' ').next().unwrap_or_default();
        assert!(
            path.starts_with("./usr/") || path.starts_with("./etc/corerest/"),
            "{file}"
        );
        assert!(!path.starts_with("./usr/local"), "{file}");
    }
    let about = |what: &[&str]| run(Command::new("dpkg-deb").args(what).arg(package));
    assert!(about(&["--field"]).contains("\nArchitecture: arm64\n"));
    // An address that looks like somebody's is not made up.
    let maintainer = about(&["--show", "--showformat=${Maintainer}"]);
    assert!(maintainer.ends_with("@corerest.invalid>"), "{maintainer}");
    let shown = about(&["--show", "--showformat=${Version}"]);
    assert_eq!(shown, format!("{version}-1"));
    assert_eq!(about(&["--info"]).matches("/bin/sh\n").count(), 3);
    let conffiles = Command::new("dpkg-deb")
        .arg("--info")
        .arg(package)
        .arg("conffiles")
        .output();
    let conffiles = conffiles.expect("the program is there").stdout;
    assert_eq!(conffiles, b"/etc/corerest/corerest.conf\n");
}
