//! Completions for bash, zsh and fish: options, the words that they take, and files.

use crate::command_line::{CommandOption, options};

const ORIGIN: &str = "# Made from the command line by corerest-documents.\n";

/// The names of an option, the long one first.
fn names(option: &CommandOption) -> Vec<String> {
    let short = option.short.map(|letter| format!("-{letter}"));
    [option.long.clone()].into_iter().chain(short).collect()
}

/// For bash, without the package bash-completion.
pub(crate) fn bash() -> String {
    let options = options();
    let all: Vec<String> = options.iter().flat_map(names).collect();
    let mut cases = String::new();
    for option in &options {
        if let Some((_, words)) = &option.value {
            let (name, words) = (names(option).join(" | "), words.join(" "));
            cases.push_str(&format!(
                "    {name}) mapfile -t COMPREPLY < <(compgen -W '{words}' -- \"$word\") ;;\n"
            ));
        }
    }
    let all = all.join(" ");
    format!(
        "{ORIGIN}\
         _corerest() {{\n\
         \x20 local word=${{COMP_WORDS[COMP_CWORD]}}\n\
         \x20 case ${{COMP_WORDS[COMP_CWORD - 1]}} in\n\
         {cases}\
         \x20   *)\n\
         \x20     if [[ $word == -* ]]; then\n\
         \x20       mapfile -t COMPREPLY < <(compgen -W '{all}' -- \"$word\")\n\
         \x20     else\n\
         \x20       compopt -o filenames 2>/dev/null\n\
         \x20       mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n\
         \x20     fi\n\
         \x20     ;;\n\
         \x20 esac\n\
         }}\n\
         complete -F _corerest corerest\n"
    )
}

/// For zsh, to be found in its `fpath` as `_corerest`.
pub(crate) fn zsh() -> String {
    let mut lines = String::new();
    for option in options() {
        let value = option.value.as_ref();
        let value = value.map(|(name, words)| format!(":{name}:({})", words.join(" ")));
        let text = format!(
            "[{}]{}",
            in_zsh(&option.description),
            value.unwrap_or_default()
        );
        let names = names(&option);
        lines.push_str(&match names.len() {
            1 => format!("  '{}{text}' \\\n", names[0]),
            _ => format!(
                "  '({})'{{{}}}'{text}' \\\n",
                names.join(" "),
                names.join(",")
            ),
        });
    }
    let (file, _) = crate::command_line::file();
    format!("#compdef corerest\n{ORIGIN}_arguments \\\n{lines}  '::{file}:_files'\n")
}

/// A description inside of brackets and single quotes.
fn in_zsh(text: &str) -> String {
    let text = text
        .replace('\\', "\\\\")
        .replace(']', "\\]")
        .replace(':', "\\:");
    text.replace('[', "\\[").replace('\'', "'\\''")
}

/// For fish.
pub(crate) fn fish() -> String {
    let mut lines = String::new();
    for option in options() {
        let long = option.long.trim_start_matches('-');
        let short = option.short.map(|letter| format!(" -s {letter}"));
        let value = option.value.as_ref();
        let value = value.map(|(_, words)| format!(" -x -a '{}'", words.join(" ")));
        let text = option
            .description
            .replace('\\', "\\\\")
            .replace('\'', "\\'");
        lines.push_str(&format!(
            "complete -c corerest{} -l {long}{} -d '{text}'\n",
            short.unwrap_or_default(),
            value.unwrap_or_default()
        ));
    }
    format!("{ORIGIN}{lines}")
}
