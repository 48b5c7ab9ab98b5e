//! The configuration file: its text becomes a map from full keys to values.
//!
//! [`grammar`] knows how a file looks; this module knows what it means: groups prefix their
//! keys, a later binding replaces an earlier one, `import` reads another file in place, and
//! `$(name)` in a string stands for an earlier key or an environment variable. Values that came
//! in through `$(name)` are not looked at again, so a secret may contain a `$`.

mod grammar;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use self::grammar::{Directive, Position, Refusal};
use crate::error::ConfigError;
use crate::sources::Sources;
use crate::value::Value;

/// Files that import each other. Two files that import each other in a circle end here.
const IMPORT_DEPTH_MAX: usize = 16;

/// The bindings of a file, by full key.
pub(crate) type Bindings = BTreeMap<String, Value>;

/// What a file has said.
#[derive(Default)]
pub(crate) struct Evaluated {
    pub(crate) bindings: Bindings,
    /// The keys of those that stand in the values of others.
    pub(crate) used: BTreeSet<String>,
}

/// Evaluates the file of the sources, if there is one.
pub(crate) fn evaluate(sources: &Sources<'_>) -> Result<Evaluated, ConfigError> {
    let mut evaluation = Evaluation {
        sources,
        evaluated: Evaluated::default(),
    };
    if let Some(file) = sources.file {
        let root = TextPlace {
            path: file.path,
            prefix: "",
            import_depth: 0,
        };
        evaluation.evaluate_text(root, file.text)?;
    }
    Ok(evaluation.evaluated)
}

/// Where a directive stands: in which file, inside of which groups.
#[derive(Clone, Copy)]
struct TextPlace<'a> {
    path: &'a str,
    /// Empty, or the keys of the groups around, each followed by a dot.
    prefix: &'a str,
    import_depth: usize,
}

impl TextPlace<'_> {
    fn error(&self, at: Position, reason: String) -> ConfigError {
        let Position { line, column } = at;
        ConfigError::Syntax {
            path: self.path.to_owned(),
            line,
            column,
            reason,
        }
    }
}

struct Evaluation<'a> {
    sources: &'a Sources<'a>,
    evaluated: Evaluated,
}

impl Evaluation<'_> {
    fn evaluate_text(&mut self, place: TextPlace<'_>, text: &str) -> Result<(), ConfigError> {
        let directives =
            grammar::parse(text).map_err(|Refusal { at, reason }| place.error(at, reason))?;
        self.evaluate_all(place, directives)
    }

    fn evaluate_all(
        &mut self,
        place: TextPlace<'_>,
        directives: Vec<Directive>,
    ) -> Result<(), ConfigError> {
        for directive in directives {
            match directive {
                Directive::Bind {
                    key,
                    value: Value::Text(text),
                    at,
                } => {
                    let text = self
                        .interpolate(place.prefix, &text)
                        .map_err(|reason| place.error(at, reason))?;
                    self.evaluated
                        .bindings
                        .insert(format!("{}{key}", place.prefix), Value::Text(text));
                }
                Directive::Bind { key, value, .. } => {
                    self.evaluated
                        .bindings
                        .insert(format!("{}{key}", place.prefix), value);
                }
                Directive::Group { key, directives } => {
                    let prefix = format!("{}{key}.", place.prefix);
                    self.evaluate_all(
                        TextPlace {
                            prefix: &prefix,
                            ..place
                        },
                        directives,
                    )?;
                }
                Directive::Import { path, at } => self.import(place, &path, at)?,
            }
        }
        Ok(())
    }

    /// Evaluates another file as if its text stood here.
    fn import(
        &mut self,
        place: TextPlace<'_>,
        path: &str,
        at: Position,
    ) -> Result<(), ConfigError> {
        if place.import_depth == IMPORT_DEPTH_MAX {
            return Err(place.error(at, "too many files import each other".to_owned()));
        }
        let directory = place
            .path
            .rfind('/')
            .map_or("", |slash| &place.path[..=slash]);
        let path = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("{directory}{path}"),
        };
        let refuse = |reason| place.error(at, format!("cannot import {path}: {reason}"));
        let bytes = (self.sources.read_file)(&path).map_err(refuse)?;
        let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8".to_owned()))?;
        let import_depth = place.import_depth + 1;
        self.evaluate_text(
            TextPlace {
                path: &path,
                import_depth,
                ..place
            },
            &text,
        )
    }

    /// Replaces `$(name)` by its value and `$$` by one dollar sign.
    fn interpolate(&mut self, prefix: &str, text: &str) -> Result<String, String> {
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            result.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                result.push('$');
                rest = after;
                continue;
            }
            let named = after
                .strip_prefix('(')
                .and_then(|inner| inner.split_once(')'));
            match named {
                Some((name, after)) if !name.is_empty() => {
                    result.push_str(&self.variable(prefix, name)?);
                    rest = after;
                }
                _ => {
                    return Err("a dollar sign must be written as $$, or begin $(NAME)".to_owned());
                }
            }
        }
        result.push_str(rest);
        Ok(result)
    }

    /// What `$(name)` stands for: a key bound above, looked for in the groups around from the
    /// inside to the outside, or else an environment variable.
    fn variable(&mut self, prefix: &str, name: &str) -> Result<Cow<'_, str>, String> {
        let mut scope = prefix;
        loop {
            let key = format!("{scope}{name}");
            if let Some(value) = self.evaluated.bindings.get(&key) {
                self.evaluated.used.insert(key);
                return in_text(value)
                    .ok_or_else(|| format!("variable '{name}' is not a string or number"));
            }
            if scope.is_empty() {
                break;
            }
            let inside = &scope[..scope.len() - 1];
            scope = inside.rfind('.').map_or("", |dot| &scope[..=dot]);
        }
        match self.sources.environment_variable(name) {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => Err(format!("no such variable: '{name}'")),
        }
    }
}

fn in_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(match number.integer() {
            Some(integer) => integer.to_string(),
            None => number.to_string(),
        })),
        Value::Boolean(_) | Value::List(_) => None,
    }
}
