//! SQL text that cannot be forged.
//!
//! The lowest crate of the house: everything that becomes part of a statement passes through a
//! [`SqlBuf`], and a `SqlBuf` takes only six kinds of text: constants of our own source ([`sql!`]),
//! identifiers ([`Ident`]), string literals ([`Literal`]), type names from a cast ([`TypeName`]),
//! text that PostgreSQL itself printed ([`CatalogSql`]), and parameters, which are numbered here.
//! There is no way to push a `&str`, so SQL injection is a compile error and not a review comment.
//!
//! Invariant: two requests of the same shape give byte-equal [`SqlText`]; values are in [`Params`].
//!
//! Invariant: no operator, function or type is looked up in a search path by accident. A constant
//! names the schema, or does not compile. Two kinds are excepted, and say so where they stand:
//! statements about PostgreSQL's catalogs ([`system_sql!`]), which only a [`SystemBuf`] takes, and
//! that comes with a statement of its own that makes the search path; and what clients ask for by
//! a name that may be anybody's ([`sql_text_by_path!`]), in `api/query/by_path.rs`.
//!
//! A constant is taken through a type, not through a value, so that text made at run time is
//! refused by the compiler, even when it was leaked into a `'static` one:
//!
//! ```compile_fail
//! let mut out = corerest_sql::SqlBuf::new();
//! let text: &'static str = String::from("DROP TABLE films").leak();
//! corerest_sql::sql!(out, text);
//! ```
//!
//! A parameter number written by hand, or a NUL, does not compile either:
//!
//! ```compile_fail
//! let mut out = corerest_sql::SqlBuf::new();
//! corerest_sql::sql!(out, "SELECT $1");
//! ```
//!
//! ```compile_fail
//! let mut out = corerest_sql::SqlBuf::new();
//! corerest_sql::sql!(out, "SELECT '\0'");
//! ```
//!
//! Nor does a name whose schema is left to the search path:
//!
//! ```compile_fail
//! let mut out = corerest_sql::SqlBuf::new();
//! corerest_sql::sql!(out, "SELECT now()");
//! ```
//!
//! ```
//! use corerest_sql::{Ident, SqlBuf, sql};
//! let mut out = SqlBuf::new();
//! sql!(out, "SELECT ");
//! out.ident(&Ident::new("title").unwrap());
//! sql!(out, " FROM films WHERE year OPERATOR(pg_catalog.=) ");
//! out.param(Some(b"1999"));
//! assert_eq!(
//!     out.finish().text.as_str(),
//!     r#"SELECT "title" FROM films WHERE year OPERATOR(pg_catalog.=) $1"#
//! );
//! ```

mod buffer;
mod constant;
mod guise;
mod name;
mod params;
mod qualified;
mod system;

pub use buffer::{SqlBuf, SqlText, Statement};
pub use constant::{ConstSql, ConstText, SystemSql, is_clean_constant};
pub use guise::{Difference, Guise};
pub use name::{
    CatalogSql, Ident, InvalidIdent, InvalidTypeName, Literal, QualifiedName, TypeName,
};
pub use params::{Param, Params};
pub use qualified::names_its_schemas;
pub use system::SystemBuf;
