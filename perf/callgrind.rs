//! Running this program once more in callgrind, and reading what it has counted.
//!
//! Callgrind begins to count when a function is entered, and stops and writes a dump when it is
//! left; so the dumps are as many as calls of it, and in their order.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names of glibc's tunables changed with its versions; it ignores those that it does not know.
const OLD_CPU: &str = "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX2_Usable,-AVX_Fast_Unaligned_Load,-AVX512F,\
                       -AVX512VL,-AVX512BW,-BMI1,-BMI2,-ERMS,-FSRM,-LZCNT,-MOVBE,-RTM,-SSE4_1,\
                       -SSE4_2,-SSSE3";

/// Runs this program with `--run` in callgrind, and returns what it has printed, line by line, each
/// with the instructions of the call of this function that belongs to it. It is called by the name
/// that callgrind has for it: a pattern would do for one of its options, but not for two of them
/// together (3.19).
///
/// # Errors
/// If valgrind is missing, or the program fails.
pub fn count(function: &str) -> io::Result<Vec<(String, u64)>> {
    let name = function.replace(':', "");
    let folder = env::temp_dir().join(format!("corerest-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let dumps = folder.join("dump");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--quiet"])
        .arg(format!("--toggle-collect={function}"))
        .arg(format!("--dump-after={function}"))
        .arg(format!("--callgrind-out-file={}", dumps.display()))
        .args([env::current_exe()?.as_os_str(), "--run".as_ref()])
        .env("GLIBC_TUNABLES", OLD_CPU)
        .output()
        .map_err(|error| {
            io::Error::other(format!(
                "valgrind: {error}; see scripts/install-dependencies"
            ))
        })?;
    let counts = match output.status.success() {
        true => read_dumps(&dumps, &String::from_utf8_lossy(&output.stdout), function),
        false => {
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(io::Error::other(format!("valgrind: {complaint}")))
        }
    };
    fs::remove_dir_all(&folder)?;
    counts
}

/// The dumps are numbered from 1, in the order of the names.
fn read_dumps(dumps: &Path, names: &str, function: &str) -> io::Result<Vec<(String, u64)>> {
    let read = |(index, name): (usize, &str)| {
        let path = PathBuf::from(format!("{}.{}", dumps.display(), index + 1));
        let text = fs::read_to_string(path)
            .map_err(|_| io::Error::other(format!("callgrind has not seen {function} end")))?;
        let total = parse_total(&text).ok_or_else(|| io::Error::other("a dump without totals"))?;
        Ok((name.to_owned(), total))
    };
    names.lines().enumerate().map(read).collect()
}

fn parse_total(dump: &str) -> Option<u64> {
    let total = dump
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))?;
    total.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::parse_total;

    #[test]
    fn the_total_of_a_dump_is_found() {
        assert_eq!(parse_total("fn=(1) a\n1 2\n\ntotals: 1234\n"), Some(1_234));
        assert_eq!(parse_total("fn=(1) a\n"), None);
    }
}
