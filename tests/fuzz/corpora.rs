//! `corpora unpack TARGET FILE FOLDER` makes the folder that libFuzzer wants, and `corpora pack
//! TARGET FILE FOLDER` writes what it has found into the file that is kept. `corpora list` names
//! the targets.

use corerest_fuzz::{TARGETS, pack, unpack};
use std::io::{self, Write};
use std::path::Path;
use std::{env, fs};

/// A target that is no function of this package's, since it needs a simulated world.
const CORE: &str = "core";

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let seeds_of = |name: &str| {
        let target = TARGETS.iter().find(|target| target.name == name);
        target.map(|target| target.seeds).unwrap_or_default()
    };
    match arguments[..] {
        ["list"] => {
            let names = TARGETS.iter().map(|target| target.name);
            let names: Vec<&str> = names.chain([CORE]).collect();
            io::stdout().write_all((names.join("\n") + "\n").as_bytes())
        }
        ["unpack", name, file, folder] => {
            let packed = fs::read_to_string(file).unwrap_or_default();
            unpack(seeds_of(name), &packed, Path::new(folder))
        }
        ["pack", name, file, folder] => fs::write(file, pack(seeds_of(name), Path::new(folder))?),
        _ => Err(io::Error::other(
            "corpora list | unpack TARGET FILE FOLDER | pack TARGET FILE FOLDER",
        )),
    }
}
