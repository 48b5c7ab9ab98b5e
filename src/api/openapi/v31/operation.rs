//! Operations: the members that all of them have.

use crate::openapi::json::{Array, Object};

/// An operation.
pub(super) struct Operation<'a> {
    /// A name that no other has, and that makes a good function.
    pub(super) id: String,
    pub(super) tag: &'a str,
    pub(super) summary: String,
    pub(super) description: Option<&'a str>,
}

impl Operation<'_> {
    /// Writes it. The body writes its own member, if there is any.
    pub(super) fn write(
        &self,
        path: &mut Object<'_>,
        method: &str,
        parameters: impl FnOnce(&mut Array<'_>),
        body: impl FnOnce(&mut Object<'_>),
        responses: impl FnOnce(&mut Object<'_>),
    ) {
        path.object(method, |operation| {
            operation.string("operationId", &self.id);
            operation.strings("tags", [self.tag]);
            operation.string("summary", &self.summary);
            operation.optional_string("description", self.description);
            operation.filled_array("parameters", parameters);
            body(operation);
            operation.object("responses", responses);
        });
    }
}
