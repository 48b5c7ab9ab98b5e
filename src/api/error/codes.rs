//! The table of error codes and their HTTP statuses.
//!
//! `PGRST0xx` are errors of the connection, `1xx` of the request, `2xx` of the catalog, `3xx` of
//! the token, `X00` of this server. Codes that PostgREST has retired (104, 109, 110, 113, 119)
//! are not given out again.
//!
//! Source: PostgREST's documentation, `references/errors`.

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The code.
    pub code: Code,
    /// Its text.
    pub text: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What it says, a sentence.
    pub meaning: &'static str,
}

/// The codes and their table, from one list.
macro_rules! codes {
    ($(#[doc = $meaning:literal] $code:ident $text:literal $status:literal)*) => {
        /// An error code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = $meaning] $code,)*
        }

        /// All codes.
        pub(crate) const TABLE: &[Row] = &[
            $(Row {
                code: Code::$code,
                text: $text,
                status: $status,
                meaning: $meaning.trim_ascii(),
            },)*
        ];
    };
}

codes! {
    /// The database could not be reached.
    Connection "PGRST000" 503
    /// The connection to the database broke.
    Client "PGRST001" 503
    /// The catalog is not loaded yet.
    NoSchemaCache "PGRST002" 503
    /// No connection became free in time.
    PoolTimeout "PGRST003" 504
    /// The query string does not parse.
    QueryParameter "PGRST100" 400
    /// A function cannot be called with that method.
    RpcMethod "PGRST101" 405
    /// The body is not what it should be.
    Body "PGRST102" 400
    /// The range holds no rows.
    Range "PGRST103" 416
    /// A PUT has other filters than its primary key.
    PutFilters "PGRST105" 405
    /// The schema is not exposed.
    Schema "PGRST106" 406
    /// No media type can be produced.
    MediaType "PGRST107" 406
    /// Something is asked of a relation that is not embedded.
    NotEmbedded "PGRST108" 400
    /// `response.headers` is not what it should be.
    GucHeaders "PGRST111" 500
    /// `response.status` is not what it should be.
    GucStatus "PGRST112" 500
    /// A PUT has a limit or an offset.
    PutLimit "PGRST114" 400
    /// A PUT has another key in its body.
    PutKey "PGRST115" 400
    /// There is not exactly one row.
    Singular "PGRST116" 406
    /// The method is not known.
    Method "PGRST117" 405
    /// An order by a relation of many rows.
    RelatedOrder "PGRST118" 400
    /// A filter on an embedded relation that is not about null.
    EmbedFilter "PGRST120" 400
    /// A `RAISE SQLSTATE 'PGRST'` that does not parse.
    Raise "PGRST121" 500
    /// Preferences that are not known, with `handling=strict`.
    Preferences "PGRST122" 400
    /// Aggregates are switched off.
    Aggregates "PGRST123" 400
    /// More rows were affected than preferred.
    MaxAffected "PGRST124" 400
    /// The path names nothing.
    Path "PGRST125" 404
    /// The description of the API is switched off.
    OpenApi "PGRST126" 404
    /// Not built.
    NotImplemented "PGRST127" 400
    /// `max-affected` on a function that returns no set.
    MaxAffectedRpc "PGRST128" 400
    /// No relationship between two relations.
    NoRelationship "PGRST200" 400
    /// More than one relationship between two relations.
    AmbiguousRelationship "PGRST201" 300
    /// No function with that name and those arguments.
    NoRoutine "PGRST202" 404
    /// More than one function with that name and those arguments.
    AmbiguousRoutine "PGRST203" 300
    /// No column of that name.
    NoColumn "PGRST204" 400
    /// No table of that name.
    NoTable "PGRST205" 404
    /// No secret to check a token with.
    JwtSecret "PGRST300" 500
    /// The token is not valid.
    JwtInvalid "PGRST301" 401
    /// A token is needed.
    JwtRequired "PGRST302" 401
    /// The claims of the token are not valid.
    JwtClaims "PGRST303" 401
    /// An error of this server.
    Internal "PGRSTX00" 500
    /// The answer to what was carried out is too large to be kept; PostgREST has no such code.
    AnswerTooLarge "PGRSTX01" 507
    /// The keys that could verify the token have not come yet; PostgREST fetches none.
    JwtKeysMissing "PGRSTX02" 503
    /// There are as many uploads as there may be.
    TooManyUploads "PGRSTX03" 503
    /// The server stops, and has rolled an upload back.
    UploadEnded "PGRSTX04" 503
    /// Clients hold all the memory that a large answer would need.
    NoMemoryForAnswer "PGRSTX05" 503
    /// A function that says what is to be heard names no channel that can be listened to.
    Channel "PGRSTX10" 500
    /// There are as many channels as there may be.
    TooManyChannels "PGRSTX11" 503
    /// Notifications are not heard at this time.
    NotListening "PGRSTX12" 503
    /// As many clients hear events as may.
    TooManyStreams "PGRSTX13" 503
}

impl Code {
    /// Its row of the table.
    pub(crate) fn row(self) -> &'static Row {
        // The table and the enum come from one list, in one order.
        &TABLE[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_finds_its_row() {
        for row in TABLE {
            assert_eq!(row.code.row(), row);
        }
    }

    #[test]
    fn the_table_is_sorted_and_knows_nothing_retired() {
        assert!(TABLE.is_sorted_by(|a, b| a.text < b.text));
        for retired in ["104", "109", "110", "113", "119"] {
            assert!(
                !TABLE.iter().any(|row| row.text.ends_with(retired)),
                "{retired}"
            );
        }
    }
}
