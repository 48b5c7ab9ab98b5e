//! Parts: where they are cut, what is kept of them, and where a fault is.

use super::super::super::media_type::JsonLinesName;
use super::*;

const LINES: MediaType = MediaType::JsonLines(JsonLinesName::NdJson);
const CSV: MediaType = MediaType::TextCsv;

/// Reads parts one after the other, the last one to its end, and shows the arrays, with the lines
/// they are from; or what is wrong.
fn read(content_type: &MediaType, columns: Option<&[&str]>, parts: &[&str]) -> String {
    let columns: Option<BTreeSet<Ident>> =
        columns.map(|names| names.iter().map(|name| Ident::before_nul(name)).collect());
    let mut begun = None;
    let (mut shown, mut left) = (String::new(), String::new());
    for (index, part) in parts.iter().enumerate() {
        left.push_str(part);
        let end = match index + 1 == parts.len() {
            true => PartEnd::Last,
            false => PartEnd::Open,
        };
        if begun.is_none() {
            begun = match Intake::begin(content_type, columns.as_ref(), left.as_bytes(), end) {
                Ok(begun) => begun,
                Err(error) => return format!("{shown}{error:?}"),
            };
        }
        let Some(intake) = &mut begun else {
            shown.push('-');
            continue;
        };
        let rest = left.split_off(intake.cut(left.as_bytes(), end));
        match intake.read(left.as_bytes()) {
            Ok(records) => {
                shown.push_str(&format!("{}..{} ", records.lines.start, records.lines.end));
                intake.write(left.as_bytes(), &records, &mut |piece| {
                    shown.push_str(str::from_utf8(piece).expect("it is text"));
                    ControlFlow::Continue(())
                });
                shown.push('\n');
            }
            Err(error) => return format!("{shown}{error:?}"),
        }
        left = rest;
    }
    shown
}

fn fault(message: &str, line: u64, byte: u64) -> String {
    let message = message.to_owned();
    format!(
        "{:?}",
        Error::InvalidRecord {
            message,
            line,
            byte
        }
    )
}

#[test]
fn a_part_is_cut_behind_its_last_whole_record() {
    let parts = ["{\"a\":1}\n{\"a\"", ":2}\n", "\n {\"a\":3}"];
    assert_eq!(
        read(&LINES, None, &parts),
        "1..2 [{\"a\":1}]\n2..3 [{\"a\":2}]\n3..5 [ {\"a\":3}]\n"
    );
    assert_eq!(
        read(&LINES, None, &["{\"a\"", ":1}\n", ""]),
        "-1..2 [{\"a\":1}]\n2..2 []\n"
    );
    // A quoted field may have lines of its own, and CR LF is one end.
    let parts = ["a,b\r", "\n1,\"x\n", "y\"\r", "\n2,z"];
    assert_eq!(
        read(&CSV, None, &parts),
        "---2..5 [{\"a\":\"1\",\"b\":\"x\\ny\"},{\"a\":\"2\",\"b\":\"z\"}]\n"
    );
}

#[test]
fn the_first_record_decides_for_all_parts() {
    let parts = [
        "{\"a\":1,\"b\":2}\n",
        "{\"b\":3,\"\\u0061\":4}\n",
        "{\"a\":5}\n",
    ];
    assert_eq!(
        read(&LINES, None, &parts),
        "1..2 [{\"a\":1,\"b\":2}]\n2..3 [{\"b\":3,\"\\u0061\":4}]\n".to_owned()
            + &fault("All object keys must match", 3, 33)
    );
    let loose = ["{\"a\":1}\n", "{\"b\":3}\n", "7"];
    assert_eq!(
        read(&LINES, Some(&["a"]), &loose),
        "1..2 [{\"a\":1}]\n2..3 [{\"b\":3}]\n".to_owned() + &fault(INVALID, 3, 16)
    );
    let parts = ["a,b\n1,2\n", "3\n"];
    assert_eq!(
        read(&CSV, None, &parts),
        "2..3 [{\"a\":\"1\",\"b\":\"2\"}]\n".to_owned() + &fault(csv::UNEQUAL, 3, 9)
    );
}

#[test]
fn a_mark_is_no_part_of_the_text_and_counts_as_bytes() {
    assert_eq!(read(&LINES, None, &["\u{feff}{\"a\":1}\n", "x"]), {
        "1..2 [{\"a\":1}]\n".to_owned() + &fault(INVALID, 2, 11)
    });
    assert_eq!(
        read(&CSV, None, &["\u{feff}a\nb\n", "c"]),
        "2..3 [{\"a\":\"b\"}]\n3..4 [{\"a\":\"c\"}]\n"
    );
}

#[test]
fn what_postgresql_refuses_is_told_with_its_lines() {
    let begun = Intake::begin(&LINES, None, b"{\"a\":1}\n", PartEnd::Open);
    let mut intake = begun.unwrap().unwrap();
    let one = intake.read(b"{\"a\":1}\n").unwrap();
    assert_eq!(one.to_string(), "line 1, in the bytes 0 to 8");
    let more = intake.read(b"{\"a\":1}\n{\"a\":1}\n").unwrap();
    assert_eq!(
        more.to_string(),
        "one of the lines 2 to 3, in the bytes 8 to 24"
    );
}
