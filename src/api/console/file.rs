//! The files that the console consists of, as they are in the executable, and the headers that
//! they are sent with.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hasher};

/// A file of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsoleFile {
    /// Where it is asked for.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// What is in it.
    pub bytes: &'static [u8],
}

macro_rules! file {
    ($name:literal, $content_type:expr) => {
        ConsoleFile {
            path: concat!("/.console/", $name),
            content_type: $content_type,
            bytes: include_bytes!(concat!("../../console/", $name)),
        }
    };
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// The page itself, which is at the root.
pub(super) const PAGE: ConsoleFile = ConsoleFile {
    path: "/",
    content_type: HTML,
    bytes: include_bytes!("../../console/index.html"),
};

/// The page of the admin server, which is at that one's root.
const ADMIN_PAGE: ConsoleFile = ConsoleFile {
    path: "/.console/admin.html",
    content_type: HTML,
    bytes: include_bytes!("../../console/admin.html"),
};

const FILES: &[ConsoleFile] = &[
    file!("style.css", STYLE),
    file!("admin.js", SCRIPT),
    file!("answer.js", SCRIPT),
    file!("app.js", SCRIPT),
    file!("builder.js", SCRIPT),
    file!("callers.js", SCRIPT),
    file!("code.js", SCRIPT),
    file!("diagram.js", SCRIPT),
    file!("dom.js", SCRIPT),
    file!("errors.js", SCRIPT),
    file!("json.js", SCRIPT),
    file!("plan.js", SCRIPT),
    file!("request.js", SCRIPT),
    file!("schema.js", SCRIPT),
    ADMIN_PAGE,
];

/// What may be loaded by the page, and who may show it: nothing but what this server sends, and
/// nobody. No script and no style stands in the page itself, so whatever came into it from a
/// database could run nothing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// What everything of the console is sent with.
pub(super) const SECURITY: [(&str, &str); 3] = [
    ("Content-Security-Policy", POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
];

/// The file of the console at that path.
pub fn console_file(path: &str) -> Option<ConsoleFile> {
    FILES.iter().find(|file| file.path == path).copied()
}

impl ConsoleFile {
    /// The headers that it is sent with, or those without it if the client has it. It is asked
    /// for again each time, since another version of the server has other files of the same names.
    pub fn headers(
        self,
        is_known: bool,
    ) -> impl Iterator<Item = (&'static str, Cow<'static, str>)> {
        let content_type = (!is_known).then_some(("Content-Type", self.content_type));
        // What is at the root is something else for others.
        let vary = (self.path == PAGE.path).then_some(("Vary", "Accept"));
        let constant = content_type
            .into_iter()
            .chain([("Cache-Control", "no-cache")])
            .chain(vary)
            .chain(SECURITY);
        constant
            .map(|(name, value)| (name, Cow::Borrowed(value)))
            .chain([("ETag", Cow::Owned(self.tag()))])
    }

    /// Whether the client has it, by the value of its `If-None-Match`.
    ///
    /// Source: RFC 9110, section 13.1.2.
    pub fn is_among(self, if_none_match: &[u8]) -> bool {
        let tag = self.tag();
        let tags = if_none_match.split(|&byte| byte == b',');
        tags.map(<[u8]>::trim_ascii).any(|other| {
            let other = other.strip_prefix(b"W/").unwrap_or(other);
            other == b"*" || other == tag.as_bytes()
        })
    }

    /// The same for the same bytes. It tells versions of a file apart, and keeps nobody out.
    fn tag(self) -> String {
        let mut hasher = DefaultHasher::new();
        hasher.write(self.bytes);
        format!("\"{:016x}\"", hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is loaded before the page can be used.
    const BYTES_MAX: usize = 150 << 10;

    #[test]
    fn the_console_is_small() {
        // The admin server's page has a script of its own, which this one does not load.
        let is_of_page = |file: &&ConsoleFile| !file.path.starts_with("/.console/admin.");
        let loaded = FILES.iter().filter(is_of_page).chain([&PAGE]);
        let bytes: usize = loaded.map(|file| file.bytes.len()).sum();
        assert!(bytes <= BYTES_MAX, "{bytes}");
    }

    #[test]
    fn every_file_that_is_named_is_there() {
        for file in FILES.iter().chain([&PAGE]) {
            let text = std::str::from_utf8(file.bytes).unwrap();
            let quoted = text.split(['"', '\'', '\n']);
            let names = quoted.filter_map(|word| {
                let name = word.strip_prefix(".console/");
                name.or_else(|| word.strip_prefix("./"))
            });
            for name in names.filter(|name| name.ends_with(".js") || name.ends_with(".css")) {
                let path = format!("/.console/{name}");
                assert!(console_file(&path).is_some(), "{}: {name}", file.path);
            }
        }
    }

    #[test]
    fn every_file_is_sent() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../console"));
        let names = folder.unwrap().map(|entry| entry.unwrap().file_name());
        for name in names {
            let path = format!("/.console/{}", name.to_str().unwrap());
            let is_page = path == "/.console/index.html";
            assert!(is_page || console_file(&path).is_some(), "{path}");
        }
    }
}
