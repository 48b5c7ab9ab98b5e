//! `scripts/publish`, in a clone that is made for it: with a remote on this machine, tests and
//! packages that take no time, and a `gh` that writes down what it was called with.

use corerest_tests::server::unused_path;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const CARGO: &str = "[workspace.package]\nversion = \"1.2.3\"\n";

const CHANGES: &str = "# Changelog

## Unreleased

- Not yet.

## 1.2.3

- New.

## 1.2.2

- Old.
";

const PACKAGES: &str = "#!/bin/sh
mkdir -p target/package
for name in corerest-1.tar.gz corerest-1.deb corerest-1.cdx.json; do
  echo $name >target/package/$name
done
echo '0123  corerest-1.tar.gz' >target/package/SHA256SUMS
";

const GH: &str = "#!/bin/sh
printf '%s\\n' \"$@\" >called
";

/// A clone with a version 1.2.3 that is committed and told of, and its remote, which has it; and
/// nothing is tagged.
struct Clone {
    folder: PathBuf,
}

impl Clone {
    fn new() -> Clone {
        let clone = Clone {
            folder: unused_path("publish"),
        };
        std::fs::create_dir_all(clone.path("scripts")).expect("the name is new");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/publish");
        let script = std::fs::read_to_string(script).expect("it is there");
        clone.git(&["init", "--quiet", "--bare", "../remote"]);
        clone.git(&["init", "--quiet"]);
        clone.git(&["remote", "add", "origin", "../remote"]);
        clone.write("scripts/publish", &script);
        clone.write("scripts/test", "#!/bin/sh\ntouch tested\n");
        clone.write("scripts/package", PACKAGES);
        clone.write("Cargo.toml", CARGO);
        clone.write("CHANGELOG.md", CHANGES);
        clone.write(".gitignore", "/target\n/tested\n/called\n");
        clone.write("../bin/gh", GH);
        clone.commit();
        clone
    }

    /// In the clone.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join("clone").join(name)
    }

    fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        let folder = path.parent().expect("it is in one");
        std::fs::create_dir_all(folder).expect("it is ours");
        std::fs::write(&path, text).expect("it is ours");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("it is ours");
    }

    #[track_caller]
    fn git(&self, arguments: &[&str]) {
        let mut command = Command::new("git");
        // Whoever runs the tests may sign what they commit, or have no name.
        command.args(["-c", "user.name=a", "-c", "user.email=a@b.invalid"]);
        command.args(["-c", "commit.gpgSign=false", "-c", "tag.gpgSign=false"]);
        command.args(arguments).current_dir(self.path(""));
        let output = command.output().expect("there is a git");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "More"]);
    }

    fn tag(&self) {
        self.git(&[
            "tag",
            "--force",
            "--annotate",
            "--message",
            "1.2.3",
            "v1.2.3",
        ]);
    }

    /// Whether it succeeds, and all that it says.
    fn publish(&self, arguments: &[&str]) -> (bool, String) {
        let path = std::env::var("PATH").expect("there is one");
        let path = format!("{}:{path}", self.folder.join("bin").display());
        let mut command = Command::new("bash");
        command.arg(self.path("scripts/publish")).args(arguments);
        let output = command.env("PATH", path).output().expect("there is a bash");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).expect("it is UTF-8");
        (output.status.success(), said)
    }

    /// It is refused for this reason, before anything is tested or packaged.
    #[track_caller]
    fn expect_refused(&self, arguments: &[&str], reason: &str) {
        let (is_done, said) = self.publish(arguments);
        assert!(!is_done && said.contains(reason), "{reason}: {said}");
        for name in ["tested", "target", "called"] {
            assert!(!self.has(name), "{reason}: {name}");
        }
    }
}

impl Drop for Clone {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn what_does_not_agree_is_not_published() {
    let clone = Clone::new();
    let both = [
        &["v1.2.3"][..],
        &["--check", "v1.2.3"],
        &["--upload", "v1.2.3"],
    ];
    let refused = |reason: &str| {
        for arguments in both {
            clone.expect_refused(arguments, reason);
        }
    };
    refused("there is no tag v1.2.3");
    clone.expect_refused(&["v1.2.4"], "the version in Cargo.toml is 1.2.3");
    clone.expect_refused(&[], "which tag?");
    clone.tag();
    clone.write("new", "");
    refused("something here is not committed");
    clone.commit();
    refused("v1.2.3 is another commit");
    clone.write("CHANGELOG.md", &CHANGES.replace("1.2.3", "1.2.30"));
    clone.commit();
    clone.tag();
    refused("CHANGELOG.md has no section \"## 1.2.3\"");
}

#[test]
fn only_what_the_remote_has_is_uploaded() {
    let clone = Clone::new();
    clone.tag();
    let upload = ["--upload", "v1.2.3"];
    clone.expect_refused(
        &upload,
        "v1.2.3 is not at the remote: git push origin v1.2.3",
    );
    clone.git(&["push", "--quiet", "origin", "v1.2.3"]);
    clone.write("new", "");
    clone.commit();
    clone.tag();
    clone.expect_refused(&upload, "at the remote, v1.2.3 is another commit");
    // A tag that is only a name, too.
    clone.git(&[
        "push",
        "--quiet",
        "--force",
        "origin",
        "HEAD:refs/tags/v1.2.3",
    ]);
    let (is_done, said) = clone.publish(&upload);
    assert!(is_done, "{said}");
    let called = clone.read("called");
    let begin = "release\ncreate\nv1.2.3\n--verify-tag\n--title\nCoreREST 1.2.3\n\
        --notes-file\ntarget/package/NOTES.md\n";
    assert!(called.starts_with(begin), "{called}");
    let uploaded: Vec<&str> = called[begin.len()..].lines().collect();
    let files = [
        "SHA256SUMS",
        "corerest-1.tar.gz",
        "corerest-1.deb",
        "corerest-1.cdx.json",
    ];
    assert_eq!(uploaded, files.map(|name| format!("target/package/{name}")));
}

#[test]
fn a_release_is_prepared_with_its_notes_and_nothing_is_uploaded() {
    let clone = Clone::new();
    clone.tag();
    let (is_done, said) = clone.publish(&["v1.2.3"]);
    assert!(is_done && said.contains("Nothing was uploaded"), "{said}");
    assert!(clone.has("tested") && !clone.has("called"));
    let notes = clone.read("target/package/NOTES.md");
    let sums = "### Checksums (SHA-256)\n\n```\n0123  corerest-1.tar.gz\n```\n";
    assert_eq!(notes, format!("- New.\n\n\n{sums}"));
    let told = clone.publish(&["--notes", "v1.2.3"]);
    assert_eq!(told, (true, "- New.\n\n".to_owned()));
}

#[test]
fn what_fails_its_tests_is_neither_packaged_nor_uploaded() {
    let clone = Clone::new();
    clone.write("scripts/test", "#!/bin/sh\nexit 1\n");
    clone.commit();
    clone.tag();
    clone.git(&["push", "--quiet", "origin", "v1.2.3"]);
    clone.expect_refused(&["--upload", "v1.2.3"], "");
}
