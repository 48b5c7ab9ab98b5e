//! Corpora as text: an input on a line, in base64, so that they can be kept and compared.
//!
//! A fuzzer wants a folder with a file for each input. What it found is packed again, the shortest
//! first and not too much of it: what is left out is found again within minutes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

/// How large a corpus may be, packed.
const BYTES_MAX: usize = 20_000;

/// The inputs of a corpus. A line that is none is left out.
pub(crate) fn inputs(packed: &str) -> impl Iterator<Item = Vec<u8>> {
    packed
        .lines()
        .filter_map(|line| STANDARD_NO_PAD.decode(line).ok())
}

/// Makes a folder of seeds and a packed corpus.
///
/// # Errors
/// If it cannot be written.
pub fn unpack(seeds: &[&[u8]], packed: &str, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let seeds = seeds.iter().map(|seed| seed.to_vec());
    for (index, input) in seeds.chain(inputs(packed)).enumerate() {
        fs::write(folder.join(format!("kept-{index}")), input)?;
    }
    Ok(())
}

/// Packs the files of a folder, but for the seeds.
///
/// # Errors
/// If it cannot be read.
pub fn pack(seeds: &[&[u8]], folder: &Path) -> io::Result<String> {
    let mut inputs = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let input = fs::read(entry?.path())?;
        if !seeds.contains(&&*input) {
            inputs.insert((input.len(), input));
        }
    }
    let mut packed = String::new();
    for (_, input) in inputs {
        let line = STANDARD_NO_PAD.encode(input);
        if packed.len() + line.len() >= BYTES_MAX {
            break;
        }
        packed.push_str(&line);
        packed.push('\n');
    }
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use super::{inputs, pack, unpack};

    #[test]
    fn what_was_unpacked_is_packed_as_it_was() {
        let folder = std::env::temp_dir().join(format!("corerest-corpus-{}", std::process::id()));
        let seeds: [&[u8]; 2] = [b"seed", b""];
        let packed = "YQ\nYmM\n";
        unpack(&seeds, packed, &folder).expect("it can be written");
        let again = pack(&seeds, &folder);
        std::fs::remove_dir_all(&folder).expect("it is there");
        assert_eq!(again.expect("it can be read"), packed);
        assert!(inputs(packed).eq([b"a".to_vec(), b"bc".to_vec()]));
    }
}
