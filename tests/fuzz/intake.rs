//! Bodies that come in parts: whatever the parts are, the same records are read.
//!
//! Properties: nothing panics; the arrays of all parts together are the array of the whole, and as
//! long as was said; the first fault is at the same line and byte; an array is JSON; arrays of
//! columns have the values of the objects, as PostgreSQL would read them.

use corerest_api::internals::{JsonLinesName, MediaType, gather_texts};
use corerest_api::{Error, Intake, PartEnd};
use simd_json::OwnedValue;
use simd_json::prelude::{TypedScalarValue, ValueAsArray, ValueAsObject, ValueAsScalar};
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
    b"\x0c{\"a\":\"\\u001e\\u001e\\n\\/\",\"b\":[{}]}\n{\"a\":\"\\u0000\",\"b\":1}\n",
    b"\x0fa,b\n\x1e\x1e,\\\n\0,1\n1\n",
];

/// What becomes of a body.
struct Read {
    /// The names of the columns, if there is an array for each.
    names: Option<Vec<String>>,
    /// The parameters.
    parameters: Vec<Vec<u8>>,
    /// How many records there are.
    count: usize,
}

/// The place of a fault, and what it is, if that does not depend on what follows it.
type Fault = (u64, u64, Option<String>);

/// The values of the columns, by their names.
type Values = Vec<(String, Vec<Option<String>>)>;

/// What the records are to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Objects,
    Arrays,
}

/// The lowest bit chooses lines or CSV, the others how large parts are.
pub fn intake(data: &[u8]) {
    let [choice, body @ ..] = data else {
        return;
    };
    let content_type = match choice % 2 {
        0 => MediaType::JsonLines(JsonLinesName::NdJson),
        _ => MediaType::TextCsv,
    };
    let step = usize::from(choice >> 1) + 1;
    let read = |step, wanted| read(&content_type, body, step, wanted);
    let objects = |read: Read| (members(&read.parameters), read.count);
    let whole = read(usize::MAX, Wanted::Objects).map(objects);
    let parted = read(step, Wanted::Objects).map(objects);
    assert_eq!(parted, whole, "{step} bytes at a time");
    let arrays = |read: Read| (values(&read), read.count);
    let gathered = read(usize::MAX, Wanted::Arrays).map(arrays);
    let parted = read(step, Wanted::Arrays).map(arrays);
    assert_eq!(parted, gathered, "{step} bytes at a time, gathered");
    let Ok((members, count)) = whole else {
        assert!(gathered.is_err(), "it is no better by columns");
        return;
    };
    let mut array = [b"[", &members[..], b"]"].concat();
    // simd-json refuses a number that a double cannot hold, and others of which it can say so.
    if let Ok(value) = simd_json::to_owned_value(&mut array) {
        let objects = value.as_array().expect("it is an array");
        assert_eq!(objects.len(), count);
        if let Ok((Some(values), _)) = gathered {
            check_values(objects, &values);
        }
    }
}

/// Every array has an element for each object: the text that it has, if it has one.
fn check_values(objects: &[OwnedValue], values: &Values) {
    for (name, elements) in values {
        assert_eq!(elements.len(), objects.len(), "{name}");
        for (object, element) in objects.iter().zip(elements) {
            let members = object.as_object().expect("it is an object");
            let named: Vec<_> = members.iter().filter(|(key, _)| *key == name).collect();
            match named[..] {
                [] => assert_eq!(*element, None, "{name}"),
                [(_, value)] if value.is_null() => assert_eq!(*element, None, "{name}"),
                [(_, value)] => {
                    if let Some(text) = value.as_str() {
                        assert_eq!(element.as_deref(), Some(text), "{name}");
                    }
                }
                // The last one, but not every map knows which that was.
                _ => {}
            }
        }
    }
}

/// The members of arrays of objects.
fn members(parameters: &[Vec<u8>]) -> Vec<u8> {
    let members = parameters.iter().map(|array| &array[1..array.len() - 1]);
    let members: Vec<&[u8]> = members.filter(|members| !members.is_empty()).collect();
    members.join(&b',')
}

/// What PostgreSQL would read from arrays of columns, if that is what there is.
fn values(read: &Read) -> Option<Values> {
    let names = read.names.as_ref()?;
    let mut values: Values = names
        .iter()
        .map(|name| (name.clone(), Vec::new()))
        .collect();
    for parameter in &read.parameters {
        let parameter = str::from_utf8(parameter).expect("it is text");
        let arrays: Vec<&str> = parameter.split("\u{1e}\u{1e}").collect();
        assert_eq!(arrays.len(), values.len(), "an array for each column");
        for (array, (_, elements)) in arrays.into_iter().zip(&mut values) {
            elements.extend(elements_of(array));
        }
    }
    Some(values)
}

/// The elements of an array of texts (PostgreSQL, "Array Input and Output Syntax").
fn elements_of(array: &str) -> Vec<Option<String>> {
    let inner = array
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    let mut rest = inner.expect("it has its braces").chars().peekable();
    let mut elements = Vec::new();
    while let Some(&first) = rest.peek() {
        if first == '"' {
            rest.next();
            let mut text = String::new();
            loop {
                match rest.next().expect("it has its closing quote") {
                    '"' => break,
                    '\\' => text.extend(rest.next()),
                    plain => text.push(plain),
                }
            }
            elements.push(Some(text));
        } else {
            let mut text = String::new();
            while let Some(plain) = rest.next_if(|next| *next != ',') {
                assert!(!"{}\"\\ ".contains(plain), "it needs quotes: {array}");
                text.push(plain);
            }
            assert!(!text.is_empty(), "it is something: {array}");
            elements.push((text != "NULL").then_some(text));
        }
        if let Some(between) = rest.next() {
            assert_eq!(between, ',', "{array}");
            assert!(rest.peek().is_some(), "something follows: {array}");
        }
    }
    elements
}

/// Reads a body of which so many bytes come at a time.
fn read(content_type: &MediaType, body: &[u8], step: usize, wanted: Wanted) -> Result<Read, Fault> {
    let mut begun: Option<Intake> = None;
    let mut read = Read {
        names: None,
        parameters: Vec::new(),
        count: 0,
    };
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
            if let (Some(intake), Wanted::Arrays) = (&mut begun, wanted) {
                read.names = gather_texts(intake);
            }
        }
        if let Some(intake) = &mut begun {
            let cut = intake.cut(part, end);
            let text = &part[..cut];
            let records = intake
                .read(text)
                .map_err(|error| fault(content_type, error))?;
            let mut parameter = Vec::new();
            intake.write(text, &records, &mut |piece| {
                parameter.extend_from_slice(piece);
                ControlFlow::Continue(())
            });
            assert_eq!(parameter.len(), records.parameter_bytes, "as was said");
            assert_eq!(records.text_bytes(), cut, "it is short");
            read.parameters.push(parameter);
            read.count += records.count;
            taken += cut;
        }
        if end == PartEnd::Last {
            return Ok(read);
        }
    }
}

fn fault(content_type: &MediaType, error: Error) -> Fault {
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
