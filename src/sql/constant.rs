//! Constants of our own source, the only SQL text that may be written freely.
//!
//! A constant is carried by a type with an associated `const`, which a value made at run time
//! cannot provide. The macros make that type and check the text while compiling.

/// Implemented by the types that [`sql!`](crate::sql) and [`sql_text!`](crate::sql_text) make.
pub trait ConstText {
    /// The SQL text.
    const TEXT: &'static str;
}

/// A constant piece of SQL as a value, for tables and `match`es over closed enums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConstSql(&'static str);

impl ConstSql {
    /// The constant that the type `T` carries.
    pub const fn of<T: ConstText>() -> ConstSql {
        ConstSql(T::TEXT)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        self.0
    }
}

/// Whether a constant may stand in a statement: no NUL, which PostgreSQL's protocol cannot carry,
/// and no `$` before a digit, because parameters are numbered by [`SqlBuf`](crate::SqlBuf) alone.
pub const fn is_clean_constant(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let numbers_a_parameter =
            bytes[at] == b'$' && at + 1 < bytes.len() && bytes[at + 1].is_ascii_digit();
        if bytes[at] == 0 || numbers_a_parameter {
            return false;
        }
        at += 1;
    }
    true
}

/// A constant piece of SQL in which names may stand without their schema, for they are those of
/// `pg_catalog`; only a [`SystemBuf`](crate::SystemBuf) takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemSql(&'static str);

impl SystemSql {
    /// The constant that the type `T` carries.
    pub const fn of<T: ConstText>() -> SystemSql {
        SystemSql(T::TEXT)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        self.0
    }
}

/// A type that carries a constant, which is checked.
#[doc(hidden)]
#[macro_export]
macro_rules! sql_constant {
    ($text:expr) => {
        enum Constant {}
        impl $crate::ConstText for Constant {
            const TEXT: &'static str = $text;
        }
        const _: () = assert!(
            $crate::is_clean_constant(<Constant as $crate::ConstText>::TEXT),
            "a constant piece of SQL holds a NUL or numbers a parameter by hand"
        );
    };
}

/// A constant piece of SQL as a [`ConstSql`] value. Its operators, functions and types are in
/// `pg_catalog`, and it says so: see [`names_its_schemas`](crate::names_its_schemas).
#[macro_export]
macro_rules! sql_text {
    ($text:expr) => {{
        $crate::sql_constant!($text);
        const _: () = assert!(
            $crate::names_its_schemas(<Constant as $crate::ConstText>::TEXT),
            "a constant piece of SQL names an operator, a function or a type without its schema"
        );
        $crate::ConstSql::of::<Constant>()
    }};
}

/// The same for what is looked up in the search path of the request, because a client asks for it
/// by a name that may be anybody's, and for a `=` that is no operator. Whoever writes one says why.
#[macro_export]
macro_rules! sql_text_by_path {
    ($text:expr) => {{
        $crate::sql_constant!($text);
        $crate::ConstSql::of::<Constant>()
    }};
}

/// Appends a constant piece of SQL to a [`SqlBuf`](crate::SqlBuf).
#[macro_export]
macro_rules! sql {
    ($out:expr, $text:expr) => {
        $out.constant($crate::sql_text!($text))
    };
}

/// Appends a constant piece of SQL to a [`SystemBuf`](crate::SystemBuf).
#[macro_export]
macro_rules! system_sql {
    ($out:expr, $text:expr) => {
        $out.system_constant({
            $crate::sql_constant!($text);
            $crate::SystemSql::of::<Constant>()
        })
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_checked_while_compiling() {
        assert!(is_clean_constant("SELECT '$' || $tag$ x $tag$"));
        assert!(!is_clean_constant("SELECT $1"));
        assert!(!is_clean_constant("SELECT '\0'"));
        assert_eq!(sql_text!("SELECT 1").as_str(), "SELECT 1");
    }
}
