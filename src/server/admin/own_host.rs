//! Under which hosts the page about the server is given out.
//!
//! A browser takes whatever a name leads to for one site. So somebody whose page is open in it can
//! let the name of that page lead to this machine (DNS rebinding), and the page asks us as if it
//! were ours: `Sec-Fetch-Site` is `same-origin`, and it may read the answers. What it cannot do is
//! to hide that name, for the browser says it in `Host`. So a host has to be one that nobody else
//! can let lead here: an address, `localhost`, the name in the configuration, or the machine's.
//!
//! Source: RFC 6761 §6.3 (`localhost`); RFC 9110 §7.2 (`Host`).

use corerest_config::Config;
use rustix::system::uname;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether the host of a request is one of ours. No browser leaves it out.
pub(super) fn is_own(host: &str, config: &Config) -> bool {
    let machine = uname();
    let machine = machine.nodename().to_str().unwrap_or_default();
    host.is_empty() || is_one_of(host, &[&config.admin_server_host, machine])
}

fn is_one_of(host: &str, names: &[&str]) -> bool {
    if let Some(literal) = host.strip_prefix('[') {
        let address = literal.split(']').next().unwrap_or_default();
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let name = host.split(':').next().unwrap_or_default();
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_named = |own: &&str| !own.is_empty() && own.eq_ignore_ascii_case(name);
    name.parse::<Ipv4Addr>().is_ok() || is_below_localhost(name) || names.iter().any(is_named)
}

fn is_below_localhost(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    last.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, expected: bool) {
        let names = ["Admin.example.com", "db1", ""];
        assert_eq!(is_one_of(host, &names), expected, "{host}");
    }

    #[test]
    fn addresses_are_own() {
        check("127.0.0.1", true);
        check("127.0.0.1:3001", true);
        check("203.0.113.7:80", true);
        check("[::1]", true);
        check("[::1]:3001", true);
        check("[fe80::1]:3001", true);
        check("127.0.0.1.example.com", false);
        check("127.0.0.1.:3001", true);
        check("[1.2.3.4]", false);
        check("[evil]", false);
    }

    #[test]
    fn names_that_nobody_else_gives_out_are_own() {
        check("localhost", true);
        check("LOCALHOST:3001", true);
        check("localhost.", true);
        check("console.localhost:3001", true);
        check("admin.example.com", true);
        check("ADMIN.example.com.:3001", true);
        check("db1:3001", true);
    }

    #[test]
    fn names_of_others_are_not() {
        check("example.com", false);
        check("localhost.example.com", false);
        check("notlocalhost", false);
        check("admin.example.com.evil.example", false);
        check("xadmin.example.com", false);
        check("db1.example.com", false);
        check("db1@example.com", false);
        check(":3001", false);
        check(".", false);
    }
}
