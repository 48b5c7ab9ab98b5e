//! The made documents are whole, and those who read them understand them.

use super::*;
use std::io::Write;
use std::process::{Command, Stdio};

/// What the program itself prints.
fn help() -> String {
    command_line::help()
}

fn document(name: &str) -> String {
    let found = documents(SystemTime::UNIX_EPOCH)
        .into_iter()
        .find(|document| document.name == name);
    found.expect("it is made").text
}

/// The options that the help names, long and short.
fn options_of_help() -> Vec<String> {
    let help = help();
    let (_, options) = help.split_once("Options:\n").expect("it has options");
    let lines = options.lines().filter(|line| line.starts_with("  -"));
    let words = lines.flat_map(|line| line.split_whitespace().take(2));
    let words = words.filter(|word| word.starts_with('-'));
    words
        .map(|word| word.trim_end_matches(',').to_owned())
        .collect()
}

#[test]
fn every_option_of_the_help_is_in_the_manual_and_in_the_completions() {
    let options = options_of_help();
    assert!(options.contains(&"--check".to_owned()), "{options:?}");
    assert!(options.contains(&"-h".to_owned()), "{options:?}");
    for option in options {
        let fish = match option.strip_prefix("--") {
            Some(long) => format!("-l {long}"),
            None => format!("-s {}", option.trim_start_matches('-')),
        };
        for (name, expected) in [
            ("corerest.1", &option.replace('-', "\\-")),
            ("corerest.bash", &option),
            ("_corerest", &option),
            ("corerest.fish", &fish),
        ] {
            assert!(has_word(&document(name), expected), "{name}: {expected}");
        }
    }
}

/// Whether it stands there, and is not a part of a longer word.
fn has_word(text: &str, word: &str) -> bool {
    let is_letter = |character: char| character.is_alphanumeric() || "-\\".contains(character);
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        // Bold ends and begins without a blank.
        let before = before.trim_end_matches("\\fB");
        let after = after.trim_start_matches("\\fP");
        !before.ends_with(is_letter) && !after.starts_with(is_letter)
    })
}

#[test]
fn every_key_is_in_the_manual() {
    let manual = document("corerest.conf.5");
    for key in facts::keys() {
        for name in [key.name, &key.environment_name()] {
            assert!(manual.contains(&name.replace('-', "\\-")), "{name}");
        }
    }
}

/// What a program says to a text, and whether it is content; `None` where it is not installed.
fn ask(program: &str, arguments: &[&str], text: &str) -> Option<(bool, String)> {
    let spawned = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut process = spawned.ok()?;
    let mut input = process.stdin.take().expect("it is a pipe");
    // Who is not content may not read it all.
    let _ = input.write_all(text.as_bytes());
    drop(input);
    let output = process.wait_with_output().expect("it ends with its input");
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    Some((output.status.success(), said))
}

#[test]
fn the_manual_pages_are_without_a_fault() {
    for name in ["corerest.1", "corerest.conf.5"] {
        let text = document(name);
        assert!(text.is_ascii(), "{name}");
        if let Some((content, said)) = ask("mandoc", &["-Tlint", "-Wstyle"], &text) {
            assert!(content && said.is_empty(), "{name}: {said}");
        }
        if let Some((content, said)) = ask("groff", &["-man", "-ww", "-z"], &text) {
            assert!(content && said.is_empty(), "{name}: {said}");
        }
    }
}

#[test]
fn bash_completes_options_their_words_and_files() {
    let completed = |words: &str, last: usize| {
        let script = format!(
            "{}COMP_WORDS=({words}); COMP_CWORD={last}; _corerest; echo \"${{COMPREPLY[@]}}\"",
            document("corerest.bash")
        );
        let (_, said) = ask("bash", &["-s"], &script).expect("there is a bash");
        said.trim().to_owned()
    };
    assert_eq!(
        completed("corerest --dump", 1),
        "--dump-config --dump-schema"
    );
    assert_eq!(completed("corerest --check --format ''", 3), "text json");
    assert_eq!(completed("corerest /etc/hostn", 1), "/etc/hostname");
}

#[test]
fn zsh_and_fish_read_their_completions() {
    for (shell, arguments, name) in [
        ("zsh", &["-n", "/dev/stdin"], "_corerest"),
        ("fish", &["--no-execute", "/dev/stdin"], "corerest.fish"),
    ] {
        if let Some((content, said)) = ask(shell, arguments, &document(name)) {
            assert!(content && said.is_empty(), "{name}: {said}");
        }
    }
}
