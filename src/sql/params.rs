//! The values of a statement, in order.
//!
//! All of them share one buffer, so that a request with twelve parameters costs one allocation.
//! One may be left out: the body of the request, which can be large and is where it is already.

/// Values in PostgreSQL's text format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params {
    /// Each value behind its length, or one of the marks below.
    bytes: Vec<u8>,
    count: usize,
}

/// Before a value.
type Length = i64;

const LENGTH_BYTES: usize = size_of::<Length>();

/// Stands for NULL, as in a Bind message.
const NULL: Length = -1;

/// Stands for the body of the request.
const REQUEST_BODY: Length = -2;

/// One value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param<'a> {
    /// NULL.
    Null,
    /// These bytes.
    Value(&'a [u8]),
    /// The body of the request, as it came; whoever sends the statement has it.
    RequestBody,
}

impl Params {
    /// No values, and room for those of a typical request: growing step by step would copy them
    /// several times.
    pub fn new() -> Params {
        Params {
            bytes: Vec::with_capacity(256),
            count: 0,
        }
    }

    /// Appends a value, or NULL, and returns its number, from 1.
    pub fn push(&mut self, value: Option<&[u8]>) -> usize {
        match value {
            Some(value) => self.push_with(|out| out.extend_from_slice(value)),
            None => self.push_mark(NULL),
        }
    }

    /// Appends a value of other ones, and returns its number, from 1.
    pub fn push_param(&mut self, param: Param<'_>) -> usize {
        match param {
            Param::Null => self.push(None),
            Param::Value(value) => self.push(Some(value)),
            Param::RequestBody => self.push_request_body(),
        }
    }

    /// Appends a value that is written piece by piece, and returns its number, from 1.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        let number = self.push_mark(0);
        let start = self.bytes.len();
        write(&mut self.bytes);
        let length = Length::try_from(self.bytes.len() - start).expect("memory is not as long");
        self.bytes[start - LENGTH_BYTES..start].copy_from_slice(&length.to_ne_bytes());
        number
    }

    /// Appends the body of the request, and returns its number, from 1.
    pub fn push_request_body(&mut self) -> usize {
        self.push_mark(REQUEST_BODY)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many bytes they take.
    pub fn bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Param<'_>> {
        let mut rest = self.bytes.as_slice();
        (0..self.count).map(move |_| {
            let (length, behind) = rest.split_first_chunk().expect("each has a length");
            let length = Length::from_ne_bytes(*length);
            let (value, behind) = behind.split_at(usize::try_from(length).unwrap_or(0));
            rest = behind;
            match length {
                NULL => Param::Null,
                REQUEST_BODY => Param::RequestBody,
                _ => Param::Value(value),
            }
        })
    }

    fn push_mark(&mut self, mark: Length) -> usize {
        self.bytes.extend_from_slice(&mark.to_ne_bytes());
        self.count += 1;
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_in_order() {
        let mut params = Params::new();
        assert_eq!(params.push(Some(b"one")), 1);
        assert_eq!(params.push(None), 2);
        assert_eq!(params.push(Some(b"")), 3);
        assert_eq!(params.push_with(|out| out.extend_from_slice(b"{4}")), 4);
        assert_eq!(params.push_request_body(), 5);
        let values: Vec<_> = params.iter().collect();
        let value = |bytes| Param::Value(bytes);
        let expected = [
            value(b"one"),
            Param::Null,
            value(b""),
            value(b"{4}"),
            Param::RequestBody,
        ];
        assert_eq!(values, expected);
        assert_eq!(params.len(), 5);
        let mut copied = Params::new();
        for value in values {
            copied.push_param(value);
        }
        assert_eq!(copied, params);
    }
}
