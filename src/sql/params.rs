//! The values of a statement, in order.
//!
//! All of them share one buffer, so that a request with twelve parameters costs two allocations.
//! One may be left out: the body of the request, which can be large and is where it is already.

/// Values in PostgreSQL's text format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params {
    bytes: Vec<u8>,
    /// Where each value ends in `bytes`, and what it is; it starts where the last ended.
    ends: Vec<(usize, Kind)>,
}

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    Value,
    RequestBody,
}

impl Params {
    /// No values, and room for those of a typical request: growing step by step would copy them
    /// several times.
    pub fn new() -> Params {
        Params {
            bytes: Vec::with_capacity(256),
            ends: Vec::with_capacity(8),
        }
    }

    /// Appends a value, or NULL, and returns its number, from 1.
    pub fn push(&mut self, value: Option<&[u8]>) -> usize {
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.end(value.map_or(Kind::Null, |_| Kind::Value))
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
        write(&mut self.bytes);
        self.end(Kind::Value)
    }

    /// Appends the body of the request, and returns its number, from 1.
    pub fn push_request_body(&mut self) -> usize {
        self.end(Kind::RequestBody)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Param<'_>> {
        let mut start = 0;
        self.ends.iter().map(move |&(end, kind)| {
            let value = &self.bytes[start..end];
            start = end;
            match kind {
                Kind::Null => Param::Null,
                Kind::Value => Param::Value(value),
                Kind::RequestBody => Param::RequestBody,
            }
        })
    }

    fn end(&mut self, kind: Kind) -> usize {
        self.ends.push((self.bytes.len(), kind));
        self.ends.len()
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
