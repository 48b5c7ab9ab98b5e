//! `documents FOLDER` writes the manual pages and the completions. `SOURCE_DATE_EPOCH` gives them
//! their date, so that packages can be built twice alike.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        return complain("usage: documents FOLDER");
    };
    let now = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => match text.parse() {
            Ok(seconds) => SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
            Err(_) => return complain("SOURCE_DATE_EPOCH is no number of seconds"),
        },
        Err(_) => SystemTime::now(),
    };
    let folder = Path::new(&folder);
    if let Err(error) = std::fs::create_dir_all(folder) {
        return complain(&format!("{}: {error}", folder.display()));
    }
    for document in corerest_documents::documents(now) {
        let path = folder.join(document.name);
        if let Err(error) = std::fs::write(&path, document.text) {
            return complain(&format!("{}: {error}", path.display()));
        }
    }
    ExitCode::SUCCESS
}

fn complain(about: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{about}");
    ExitCode::FAILURE
}
