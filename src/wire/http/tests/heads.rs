//! Request lines and header fields: every rule from both sides.
//!
//! The refusals name the exact rule, because many broken requests break a second one by accident.

use super::*;

#[test]
fn a_request_is_taken_apart() {
    check(
        "GET /films?id=eq.1 HTTP/1.1\r\nHost: a.example:3000\r\nX-Empty:\r\nAccept: \t*/* \r\n\r\n",
        &[
            "GET /films ?id=eq.1 Http11 @a.example:3000 keep=true Host=a.example:3000 X-Empty= \
           Accept=*/* []",
        ],
    );
    check(
        "PATCH /films HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
        &["PATCH /films ? Http11 @a keep=true Host=a Content-Length=7 [{\\\"a\\\":1}]"],
    );
}

#[test]
fn values_may_hold_any_byte_but_controls() {
    check(
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\tb\xff\x80~\r\n\r\n",
        &["GET / ? Http11 @a keep=true Host=a X=a\\tb\\xff\\x80~ []"],
    );
    for byte in (0..=0x1f)
        .chain([0x7f])
        .filter(|byte| !b"\t\r\n".contains(byte))
    {
        for padding in [0, 7, 40] {
            let mut input = b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
            input.extend(std::iter::repeat_n(b'v', padding));
            input.push(byte);
            input.extend(b"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv\r\n\r\n");
            check_refused(&input, Refusal::InvalidHeaderValue);
        }
    }
}

#[test]
fn names_are_tokens_directly_before_the_colon() {
    check_accepted(get("!#$%&'*+-.^_`|~09azAZ: x\r\n"));
    for line in [
        "X : y",
        ": y",
        " X: y",
        "X\t: y",
        "X Y: z",
        "X",
        "X(: y",
        "\u{e9}: y",
        "\0: y",
    ] {
        check_refused(get(&format!("{line}\r\n")), Refusal::InvalidHeaderName);
    }
}

#[test]
fn folded_lines_are_refused() {
    check_refused(get("X: y\r\n z\r\n"), Refusal::InvalidHeaderName);
    check_refused(get("X: y\r\n\tz\r\n"), Refusal::InvalidHeaderName);
    check_refused(
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        Refusal::InvalidHeaderName,
    );
}

#[test]
fn line_ends_are_cr_lf_only() {
    check_refused("GET / HTTP/1.1\nHost: a\r\n\r\n", Refusal::BareLineFeed);
    check_refused("GET / HTTP/1.1\r\nHost: a\n\r\n", Refusal::BareLineFeed);
    check_refused(
        "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        Refusal::BareLineFeed,
    );
    check_refused(
        "GET / HTTP/1.1\r\nHost: a\r\nX:\n\r\n",
        Refusal::BareLineFeed,
    );
    check_refused("GET / HTTP/1.1\r\nHost: a\r\n\n", Refusal::BareLineFeed);
    check_refused(get("X: a\rb\r\n"), Refusal::InvalidHeaderValue);
    check_refused(get("X: a\r\r\n"), Refusal::InvalidHeaderValue);
    check_refused(get("X:\rb\r\n"), Refusal::InvalidHeaderValue);
    check_refused(get("X\r: b\r\n"), Refusal::InvalidHeaderName);
    check_refused(
        "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
        Refusal::InvalidRequestLine,
    );
    check_refused(
        "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n",
        Refusal::InvalidRequestLine,
    );
    check_refused(
        "GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n",
        Refusal::BareCarriageReturn,
    );
}

#[test]
fn one_empty_line_before_a_request_is_dropped() {
    check_accepted(format!("\r\n{}", get("")));
    check_refused(format!("\r\n\r\n{}", get("")), Refusal::InvalidMethod);
    check_refused(format!("\n{}", get("")), Refusal::BareLineFeed);
    check_refused(format!("\r{}", get("")), Refusal::BareCarriageReturn);
    check_refused(format!("\r\n\n{}", get("")), Refusal::InvalidMethod);
    let both = format!("{}\r\n{}", get(""), get(""));
    assert_eq!(transcript(both.as_bytes(), &limits()).lines().count(), 2);
}

#[test]
fn an_empty_line_alone_leaves_the_client_idle() {
    assert_eq!(feed(&[b"\r\n"], &limits()).phase, Some(Phase::Idle));
    assert_eq!(feed(&[b"\r"], &limits()).phase, Some(Phase::Head));
    assert_eq!(feed(&[b"\r\nG"], &limits()).phase, Some(Phase::Head));
}

#[test]
fn methods_are_tokens() {
    for method in [
        "GET",
        "get",
        "M-SEARCH",
        "X!#$%&'*+.^_`|~1",
        "QUERY",
        "POSTS",
        "G",
    ] {
        check_accepted(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    for method in ["G(T", "GET\t", "GE\0T", "G\u{e9}T"] {
        let input = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        check_refused(input, Refusal::InvalidRequestLine);
    }
    for first in ["(GET", " GET", "\tGET", "\0", "\u{e9}", "{"] {
        check_refused(
            format!("{first} / HTTP/1.1\r\nHost: a\r\n\r\n"),
            Refusal::InvalidMethod,
        );
    }
}

#[test]
fn request_lines_have_two_spaces_and_no_more() {
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /",
        "GET / ",
        "GET",
        "GET  HTTP/1.1",
        "GET\t/\tHTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1.",
        "GET / HTTP/1",
        "GET / HTTP/1.10",
        "GET / HTTP/11",
        "GET / HTTP /1.1",
        "GET / HTTPS/1.1",
        "GET / XHTTP/1.1",
    ] {
        check_refused(
            format!("{line}\r\nHost: a\r\n\r\n"),
            Refusal::InvalidRequestLine,
        );
    }
}

#[test]
fn targets_have_no_control_bytes_and_are_utf_8() {
    check_accepted("GET /\u{444}?\u{436}=eq.\u{1f600} HTTP/1.1\r\nHost: a\r\n\r\n");
    check_accepted("GET /a?b=\"{}\"|\\^`<> HTTP/1.1\r\nHost: a\r\n\r\n");
    for byte in (0..=0x1f)
        .chain([0x7f, 0x80, 0xc3, 0xff])
        .filter(|byte| *byte != b'\n')
    {
        for padding in [0, 9, 40] {
            let mut input = b"GET /".to_vec();
            input.extend(std::iter::repeat_n(b'p', padding));
            input.push(byte);
            input.extend(b"pppppppppppppppppppppppppppppppppp HTTP/1.1\r\nHost: a\r\n\r\n");
            let refusal = match byte {
                0x80.. => Refusal::TargetNotUtf8,
                _ => Refusal::InvalidRequestLine,
            };
            check_refused(&input, refusal);
        }
    }
    check_refused(
        "GET /#f HTTP/1.1\r\nHost: a\r\n\r\n",
        Refusal::FragmentInTarget,
    );
}

#[test]
fn the_host_of_an_absolute_target_wins() {
    check(
        "GET http://b.example:80/films?x HTTP/1.1\r\nHost: a\r\n\r\n",
        &["GET /films ?x Http11 @b.example:80 keep=true Host=b.example:80 []"],
    );
    check(
        "GET http://b.example HTTP/1.0\r\n\r\n",
        &["GET / ? Http10 @b.example keep=false []"],
    );
    check_refused("GET http://b/ HTTP/1.1\r\n\r\n", Refusal::MissingHost);
    check_refused(
        "GET http://u@b/ HTTP/1.1\r\nHost: b\r\n\r\n",
        Refusal::InvalidHost,
    );
}

#[test]
fn other_forms_of_targets_are_for_their_methods() {
    check_accepted("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    check_refused("GET * HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::InvalidTarget);
    check_refused(
        "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        Refusal::InvalidTarget,
    );
    check_refused(
        "GET films HTTP/1.1\r\nHost: a\r\n\r\n",
        Refusal::InvalidTarget,
    );
}

#[test]
fn only_versions_1_0_and_1_1_are_served() {
    check_accepted("GET / HTTP/1.0\r\n\r\n");
    for version in ["0.9", "1.2", "1.9", "2.0", "3.0", "9.9"] {
        let input = format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n");
        check_refused(input, Refusal::UnsupportedVersion);
    }
}

#[test]
fn other_protocols_are_refused_at_once() {
    check_refused(
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        Refusal::UnsupportedVersion,
    );
    check_refused("PRI * HTTP/2.0\r\n", Refusal::UnsupportedVersion);
    check_refused(
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        Refusal::InvalidMethod,
    );
    check_refused(b"\x16", Refusal::InvalidMethod);
    check_refused("SSH-2.0-OpenSSH_9.2\r\n", Refusal::InvalidRequestLine);
    check_refused("GET /\r\n", Refusal::InvalidRequestLine);
}

#[test]
fn hosts_are_required_once_and_checked() {
    check_refused("GET / HTTP/1.1\r\n\r\n", Refusal::MissingHost);
    check_accepted("GET / HTTP/1.0\r\n\r\n");
    check_accepted("GET / HTTP/1.1\r\nHOST:\r\n\r\n");
    check_accepted("GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n");
    check_refused(get("Host: a\r\n"), Refusal::RepeatedHost);
    check_refused(
        "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n",
        Refusal::RepeatedHost,
    );
    for host in [
        "a b", "a/b", "u@a", "a:b", "a, b", "\u{e9}", "a?b", ":80", "http://a",
    ] {
        let input = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        check_refused(input, Refusal::InvalidHost);
    }
}

#[test]
fn long_request_lines_are_refused() {
    let line = |length: usize| format!("GET /{} HTTP/1.1", "p".repeat(length - 14));
    check_accepted(format!("{}\r\nHost: a\r\n\r\n", line(200)));
    check_refused(
        format!("{}\r\nHost: a\r\n\r\n", line(201)),
        Refusal::RequestLineTooLong,
    );
    check_refused("A".repeat(300), Refusal::RequestLineTooLong);
}

#[test]
fn large_heads_are_refused() {
    let fill = 600 - get("X: \r\n").len();
    check_accepted(get(&format!("X: {}\r\n", "y".repeat(fill))));
    check_refused(
        get(&format!("X: {}\r\n", "y".repeat(fill + 1))),
        Refusal::HeadTooLarge,
    );
    check_refused(
        get(&format!("X: {}", "y".repeat(1200))),
        Refusal::HeadTooLarge,
    );
    check_accepted(get(&"X: y\r\n".repeat(9)));
    check_refused(get(&"X: y\r\n".repeat(10)), Refusal::TooManyHeaders);
}
