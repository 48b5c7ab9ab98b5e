//! Bodies that come in parts: whatever the parts are, the same records are read.
//!
//! Properties: nothing panics; the arrays of all parts together are the array of the whole, and as
//! long as was said; the first fault is at the same line and byte; an array is JSON.

use corerest_api::internals::{JsonLinesName, MediaType};
use corerest_api::{Error, Intake, PartEnd};
use std::ops::ControlFlow;

/// Bodies to start from; the first byte chooses what they are and how they come.
pub(crate) const INTAKE_SEEDS: &[&[u8]] = &[
    b"\x00{\"a\":1,\"b\":\"x\"}\n{\"b\":null,\"a\":[2]}\r\n\n {\"a\":3,\"b\":{}} ",
    b"\x04{\"a\":1}\n{\"b\":1}\n{\"a\":2}\n",
    b"\x08\xef\xbb\xbf{\"a\":1}\n{\"a\":\n{\"a\":2}\n",
    b"\x09id,name\r\n1,\"a \"\"b\"\"\n c\"\r\n\r\nNULL,\xc3\xa9\r\n2,3\n",
    b"\x0da,b\n1,2\n1\n3,4\n",
    b"\x11a,b\n1,\"2\n1,x\"\n3,\"4\n",
    b"\x15\xef\xbb\xbfa\n1\n\xff\n",
    b"\x1d\n\r\n",
    b"\x09a,b\n1,2\r1\r\xff3,4\n",
];

/// What comes of a body: the members of the array, and how many; or the place of the fault, and
/// what it is, if that does not depend on what follows it.
type Read = Result<(Vec<u8>, usize), (u64, u64, Option<String>)>;

/// The lowest bit chooses lines or CSV, the others how large parts are.
pub fn intake(data: &[u8]) {
    let [choice, body @ ..] = data else {
        return;
    };
    let content_type = match choice % 2 {
        0 => MediaType::JsonLines(JsonLinesName::NdJson),
        _ => MediaType::TextCsv,
    };
    let whole = read(&content_type, body, usize::MAX);
    if let Ok((members, count)) = &whole {
        let mut array = [b"[", &members[..], b"]"].concat();
        // simd-json refuses a number that a double cannot hold, and others of which it can say so.
        if let Ok(value) = simd_json::to_borrowed_value(&mut array) {
            let length = simd_json::prelude::ValueAsArray::as_array(&value).map(Vec::len);
            assert_eq!(length, Some(*count));
        }
    }
    let step = usize::from(choice >> 1) + 1;
    assert_eq!(
        read(&content_type, body, step),
        whole,
        "{step} bytes at a time"
    );
}

/// Reads a body of which so many bytes come at a time.
fn read(content_type: &MediaType, body: &[u8], step: usize) -> Read {
    let mut begun: Option<Intake> = None;
    let (mut members, mut count) = (Vec::new(), 0);
    let (mut taken, mut come) = (0, 0_usize);
    loop {
        come = come.saturating_add(step).min(body.len());
        let end = match come == body.len() {
            true => PartEnd::Last,
            false => PartEnd::Open,
        };
        let part = &body[taken..come];
        if begun.is_none() {
            begun = Intake::begin(content_type, None, part, end)
                .map_err(|error| fault(content_type, error))?;
        }
        if let Some(intake) = &mut begun {
            let cut = intake.cut(part, end);
            let text = &part[..cut];
            let records = intake
                .read(text)
                .map_err(|error| fault(content_type, error))?;
            let mut array = Vec::new();
            intake.write(text, &records, &mut |piece| {
                array.extend_from_slice(piece);
                ControlFlow::Continue(())
            });
            assert_eq!(array.len(), records.json_bytes, "as long as was said");
            if records.count > 0 && count > 0 {
                members.push(b',');
            }
            members.extend_from_slice(&array[1..array.len() - 1]);
            count += records.count;
            taken += cut;
        }
        if end == PartEnd::Last {
            return Ok((members, count));
        }
    }
}

fn fault(content_type: &MediaType, error: Error) -> (u64, u64, Option<String>) {
    let Error::InvalidRecord {
        message,
        line,
        byte,
    } = error
    else {
        panic!("{error:?}");
    };
    // That of CSV shows what follows.
    let is_told = *content_type != MediaType::TextCsv;
    (line, byte, is_told.then_some(message))
}

#[cfg(test)]
mod tests {
    use super::{INTAKE_SEEDS, intake};

    #[test]
    fn the_same_records_are_read_whatever_the_parts_are() {
        crate::smoke(intake, INTAKE_SEEDS, 50_000);
    }
}
