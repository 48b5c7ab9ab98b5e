//! `links BOOK` looks whether the links of a book that mdBook has made lead somewhere; scripts/book
//! runs it.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(book) = std::env::args().nth(1) else {
        return complain("usage: links BOOK");
    };
    match corerest_documents::links::broken_in_book(Path::new(&book), Path::new(".")) {
        Ok(broken) if broken.is_empty() => ExitCode::SUCCESS,
        Ok(broken) => complain(&format!(
            "links that lead nowhere:\n  {}",
            broken.join("\n  ")
        )),
        Err(error) => complain(&format!("{book}: {error}")),
    }
}

fn complain(about: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{about}");
    ExitCode::FAILURE
}
