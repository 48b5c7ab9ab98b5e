//! What the client refuses, from servers that say what they are told.

use super::{Address, Client, ClientError};
use std::io::Write;
use std::net::TcpListener;

const HEAD: &str = "HTTP/1.1 200 OK\r\nDate: now\r\nServer: a\r\nContent-Length: 2\r\n\r\n";

/// A client whose server has said this, and the server's end of the connection.
fn client_of(said: &str) -> (Client, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let address = listener.local_addr().expect("it is bound");
    let client = Client::connect(&Address::Tcp(address));
    let (mut stream, _) = listener.accept().expect("it has connected");
    stream.write_all(said.as_bytes()).expect("there is room");
    (client, stream)
}

/// Asks once with this method; the server says that, and closes the connection.
#[track_caller]
fn check(method: &str, said: &str, is_right: bool) {
    let (mut client, stream) = client_of("");
    client.send(super::request(method, "/", &[]));
    (&stream).write_all(said.as_bytes()).expect("there is room");
    drop(stream);
    let answer = client.try_read(method);
    assert_eq!(answer.is_ok(), is_right, "{method} {said:?}: {answer:?}");
}

#[test]
fn an_answer_is_refused_unless_it_is_exactly_one() {
    check("GET", &format!("{HEAD}ab"), true);
    check("HEAD", HEAD, true);
    check("GET", &format!("{HEAD}abc"), false);
    check("GET", &format!("{HEAD}a"), false);
    check("HEAD", &format!("{HEAD}ab"), false);
    check("HEAD", &format!("{HEAD}{HEAD}"), false);
    check("GET", &format!("{HEAD}ab{HEAD}ab"), false);
    let whole = format!("{HEAD}ab");
    check("GET", &whole.replace("Date: now\r\n", ""), false);
    check("GET", &whole.replace(" 200 ", " 0200 "), false);
    check("GET", "HTTP/1.1 100 Continue\r\n\r\n", false);
    check("GET", "", false);
}

#[test]
fn bytes_before_a_request_are_refused() {
    let (mut client, _stream) = client_of(HEAD);
    let refused = client.try_exchange("GET", "/", &[]);
    assert!(
        matches!(refused, Err(ClientError::Malformed(_))),
        "{refused:?}"
    );
}

/// Whether a test would fail that ends with this client.
fn fails_at_the_end(client: Client) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(client))).is_err()
}

#[test]
fn a_test_does_not_end_with_anything_left_to_read() {
    assert!(fails_at_the_end(client_of(HEAD).0));
    let (mut unread, _stream) = client_of("");
    unread.send(super::request("GET", "/", &[]));
    assert!(fails_at_the_end(unread));
    let (mut begun, _stream) = client_of("");
    begun.send("GET /");
    assert!(fails_at_the_end(begun));
    let (silent, _stream) = client_of("");
    assert!(!fails_at_the_end(silent));
    let (mut leaving, _stream) = client_of("");
    leaving.send(super::request("GET", "/", &[]));
    leaving.leave("it is allowed to");
}
