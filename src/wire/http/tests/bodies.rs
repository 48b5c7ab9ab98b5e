//! Where a body ends: lengths, chunks, and everything that two parsers could read differently.
//!
//! Most of the refused inputs here are known ways to smuggle a request.

use super::*;

#[test]
fn content_length_is_one_plain_number() {
    check_accepted(post("Content-Length: 0\r\n", ""));
    check_accepted(post("Content-Length:3\r\n", "abc"));
    check_accepted(post("content-length: 003 \r\n", "abc"));
    for value in [
        "",
        "-1",
        "+3",
        "3 3",
        "3,3",
        "3, 3",
        "0x3",
        "3.0",
        "\"3\"",
        "3;",
        "a",
        "\u{663}",
        "18446744073709551616",
        "99999999999999999999",
        "000000000000000000003",
    ] {
        let input = post(&format!("Content-Length: {value}\r\n"), "abc");
        check_refused(input, Refusal::InvalidContentLength);
    }
    for second in ["3", "4", ""] {
        let lines = format!("Content-Length: 3\r\nContent-Length: {second}\r\n");
        check_refused(post(&lines, "abc"), Refusal::RepeatedContentLength);
    }
}

#[test]
fn both_ways_to_frame_a_body_are_refused() {
    for lines in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 3\r\n",
    ] {
        check_refused(post(lines, "0\r\n\r\n"), Refusal::AmbiguousLength);
    }
}

#[test]
fn chunked_is_the_only_transfer_coding() {
    check_accepted(post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"));
    check_accepted(post("transfer-encoding:\tCHUNKED \r\n", "0\r\n\r\n"));
    for value in [
        "gzip",
        "identity",
        "gzip, chunked",
        "xchunked",
        "chunked;a=b",
        "\"chunked\"",
    ] {
        let input = post(&format!("Transfer-Encoding: {value}\r\n"), "0\r\n\r\n");
        check_refused(input, Refusal::UnsupportedTransferCoding);
    }
    for value in [
        "chunked, gzip",
        "chunked, chunked",
        "gzip, chunked, chunked",
        "chunked,identity",
    ] {
        let input = post(&format!("Transfer-Encoding: {value}\r\n"), "0\r\n\r\n");
        check_refused(input, Refusal::ChunkedNotFinal);
    }
    for value in ["", ",chunked", "gzip,,chunked", "chunked,"] {
        let input = post(&format!("Transfer-Encoding: {value}\r\n"), "0\r\n\r\n");
        check_refused(input, Refusal::InvalidTransferEncoding);
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
    check_refused(post(twice, "0\r\n\r\n"), Refusal::ChunkedNotFinal);
    check_refused(
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Refusal::TransferEncodingInHttp10,
    );
}

#[test]
fn chunks_are_joined_and_trailers_dropped() {
    for (body, expected) in [
        ("0\r\n\r\n", "[]"),
        ("000\r\n\r\n", "[]"),
        ("3\r\nabc\r\n0\r\n\r\n", "[abc]"),
        (
            "1\r\na\r\n2\r\nbc\r\n0010\r\n0123456789abcdef\r\n0\r\n\r\n",
            "[abc0123456789abcdef]",
        ),
        (
            "A\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
            "[0\\r\\n\\r\\n0\\r\\n\\r\\n]",
        ),
        (
            "a;x\r\n0123456789\r\n0;y=z;q=\"a\\\"b; c\"\r\n\r\n",
            "[0123456789]",
        ),
        (
            "3 ; x\r\nabc\r\n3\t;\tx = y; z= \"; \" ;w\r\ndef\r\n0 ;x\r\n\r\n",
            "[abcdef]",
        ),
        (
            "3\r\nabc\r\n0\r\nX: y\r\nContent-Length: 9\r\n\r\n",
            "[abc]",
        ),
    ] {
        let text = check_accepted(chunked(body));
        assert!(text.contains(&format!(" {expected}\n")), "{text}");
        assert!(!text.contains("X=y"), "{text}");
    }
}

#[test]
fn broken_chunks_are_refused() {
    for size in [
        "",
        "g",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1\t",
        "0x1",
        "1,",
        "1\r",
        "00000000000000001",
        "fffffffffffffffff",
        "\u{661}",
    ] {
        check_refused(
            chunked(&format!("{size}\r\na\r\n0\r\n\r\n")),
            Refusal::InvalidChunkSize,
        );
    }
    for extension in [
        ";",
        "; ",
        ";x ",
        ";x y",
        ";x= ",
        ";x=\"y\" z",
        ";x=",
        ";=y",
        ";x=\"y",
        ";x;",
        ";x\r",
        ";x=\"\u{1}\"",
    ] {
        let body = format!("1{extension}\r\na\r\n0\r\n\r\n");
        check_refused(chunked(&body), Refusal::InvalidChunkExtension);
    }
    for body in [
        "1\na\r\n0\r\n\r\n",
        "1;x\na\r\n0\r\n\r\n",
        "\n",
        "0\n\r\n",
        "0\r\n\n",
    ] {
        check_refused(chunked(body), Refusal::BareLineFeed);
    }
    for body in [
        "1\r\nab\r\n",
        "1\r\na\n0\r\n\r\n",
        "1\r\na0\r\n\r\n",
        "1\r\na\r0\r\n\r\n",
    ] {
        check_refused(chunked(body), Refusal::InvalidChunkEnd);
    }
    for trailer in ["X", ": y", "X : y", " X: y", "X: \0", "X: a\rb", "X: y\r"] {
        check_refused(
            chunked(&format!("0\r\n{trailer}\r\n\r\n")),
            Refusal::InvalidTrailer,
        );
    }
}

#[test]
fn chunk_framing_is_bounded() {
    let long = "x".repeat(300);
    check_refused(
        chunked(&format!("1;{long}\r\na")),
        Refusal::ChunkExtensionTooLong,
    );
    check_refused(chunked(&"1".repeat(300)), Refusal::ChunkExtensionTooLong);
    let some = "x".repeat(200);
    let many = format!("1;{some}\r\na\r\n").repeat(50);
    let whole = feed(&[chunked(&many).as_bytes()], &limits());
    assert_eq!(whole.text, "ChunkExtensionTooLong\n");
    let trailers = "X: y\r\n".repeat(11);
    check_refused(
        chunked(&format!("0\r\n{trailers}\r\n")),
        Refusal::TooManyHeaders,
    );
    let trailer = format!("0\r\nX: {}\r\n\r\n", "y".repeat(5000));
    assert_eq!(
        feed(&[chunked(&trailer).as_bytes()], &limits()).text,
        "TrailersTooLarge\n"
    );
}

#[test]
fn large_bodies_are_refused_before_they_are_read() {
    check_accepted(post("Content-Length: 1000\r\n", &"b".repeat(1000)));
    check_refused(post("Content-Length: 1001\r\n", ""), Refusal::BodyTooLarge);
    check_refused(
        post("Content-Length: 18446744073709551615\r\n", ""),
        Refusal::BodyTooLarge,
    );
    check_accepted(chunked(&format!(
        "3e8\r\n{}\r\n0\r\n\r\n",
        "b".repeat(1000)
    )));
    check_refused(chunked("3e9\r\n"), Refusal::BodyTooLarge);
    check_refused(chunked("ffffffffffffffff\r\n"), Refusal::BodyTooLarge);
    let growing = format!("3e8\r\n{}\r\n1\r\n", "b".repeat(1000));
    check_refused(chunked(&growing), Refusal::BodyTooLarge);
    check_refused(
        chunked("1\r\na\r\nffffffffffffffff\r\n"),
        Refusal::BodyTooLarge,
    );
}

#[test]
fn lengths_at_the_edge_of_the_number_range_do_not_overflow() {
    let limits = Limits {
        body_bytes_max: u64::MAX,
        ..limits()
    };
    let known = post("Content-Length: 18446744073709551615\r\n", "abc");
    assert_eq!(transcript(known.as_bytes(), &limits), "BodyTooLarge\n");
    let input = chunked("1\r\na\r\nffffffffffffffff\r\nabc");
    assert_eq!(transcript(input.as_bytes(), &limits), "");
    let huge = post("Content-Length: 9223372036854775807\r\n", "abc");
    assert_eq!(transcript(huge.as_bytes(), &limits), "");
}
