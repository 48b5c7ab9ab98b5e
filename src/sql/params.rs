//! The values of a statement, in order.
//!
//! All of them share one buffer, so that a request with twelve parameters costs two allocations.

/// Values in PostgreSQL's text format; `None` is NULL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params {
    bytes: Vec<u8>,
    /// Where each value ends in `bytes`, and whether it is NULL; it starts where the last ended.
    ends: Vec<(usize, IsNull)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IsNull {
    Yes,
    No,
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

    /// Appends a value and returns its number, from 1.
    pub fn push(&mut self, value: Option<&[u8]>) -> usize {
        let is_null = if value.is_none() {
            IsNull::Yes
        } else {
            IsNull::No
        };
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.ends.push((self.bytes.len(), is_null));
        self.ends.len()
    }

    /// Appends a value that is written piece by piece, and returns its number, from 1.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        write(&mut self.bytes);
        self.ends.push((self.bytes.len(), IsNull::No));
        self.ends.len()
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
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        let mut start = 0;
        self.ends.iter().map(move |&(end, is_null)| {
            let value = &self.bytes[start..end];
            start = end;
            (is_null == IsNull::No).then_some(value)
        })
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
        let values: Vec<_> = params.iter().collect();
        assert_eq!(values, [Some(&b"one"[..]), None, Some(b""), Some(b"{4}")]);
        assert_eq!(params.len(), 4);
    }
}
