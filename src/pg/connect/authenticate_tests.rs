//! Tests of the authentication exchange against a server that exists only as messages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corerest_wire::pg::{Message, decode};
use ring::{digest, hmac, pbkdf2};

use super::*;

/// A server's authentication request as bytes.
pub(in super::super) fn request(number: i32, content: &[u8]) -> Vec<u8> {
    let length = 8 + content.len() as i32;
    let mut bytes = vec![b'R'];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.extend_from_slice(content);
    bytes
}

/// The server's side of SCRAM-SHA-256, for a password it knows.
pub(in super::super) struct ScramServer {
    pub(in super::super) password: &'static str,
    pub(in super::super) iterations: u32,
    client_first: String,
    server_first: String,
}

impl ScramServer {
    pub(in super::super) fn new(password: &'static str, iterations: u32) -> ScramServer {
        ScramServer {
            password,
            iterations,
            client_first: String::new(),
            server_first: String::new(),
        }
    }

    /// The challenge for a client's first message, without its GS2 header.
    pub(in super::super) fn challenge(&mut self, client_first: &str) -> String {
        let bare = client_first.splitn(3, ',').nth(2).expect("a GS2 header");
        self.client_first = bare.to_owned();
        let nonce = bare.strip_prefix("n=,r=").expect("a nonce");
        let salt = STANDARD.encode("salt");
        self.server_first = format!("r={nonce}server,s={salt},i={}", self.iterations);
        self.server_first.clone()
    }

    /// The server's proof for the client's last message.
    pub(in super::super) fn proof(&self, client_final: &str) -> String {
        let without_proof = client_final.split(",p=").next().expect("a proof");
        let transcript = format!(
            "{},{},{without_proof}",
            self.client_first, self.server_first
        );
        let mut salted = [0; digest::SHA256_OUTPUT_LEN];
        let iterations = self.iterations.try_into().expect("not zero");
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(
            algorithm,
            iterations,
            b"salt",
            self.password.as_bytes(),
            &mut salted,
        );
        let sign =
            |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
        let server_key = sign(&salted, b"Server Key");
        let signature = sign(server_key.as_ref(), transcript.as_bytes());
        format!("v={}", STANDARD.encode(signature.as_ref()))
    }
}

/// A client with its settings, and what it has written.
struct Client<'a> {
    exchange: Exchange<'a>,
    out: Vec<u8>,
}

impl<'a> Client<'a> {
    fn new(credentials: Credentials<'a>) -> Client<'a> {
        Client {
            exchange: Exchange::new(credentials),
            out: Vec::new(),
        }
    }

    /// Feeds a request and returns the body of the answer.
    fn on(&mut self, number: i32, content: &[u8]) -> Result<Vec<u8>, Cause> {
        let bytes = request(number, content);
        let Ok(Some((Message::Authentication(demand), _))) = decode(&bytes) else {
            panic!("not a request: {bytes:?}");
        };
        self.out.clear();
        self.exchange.on(demand, &mut self.out)?;
        Ok(self.out.get(5..).unwrap_or_default().to_vec())
    }

    /// Goes through SCRAM with that list of mechanisms; returns mechanism and GS2 header.
    fn scram(&mut self, list: &[u8], server: &mut ScramServer) -> Result<(String, String), Cause> {
        let first = self.on(10, list)?;
        let end = first
            .iter()
            .position(|&byte| byte == 0)
            .expect("a mechanism");
        let mechanism = String::from_utf8_lossy(&first[..end]).into_owned();
        let message = String::from_utf8_lossy(&first[end + 5..]).into_owned();
        let answer = self.on(11, server.challenge(&message).as_bytes())?;
        let proof = server.proof(&String::from_utf8_lossy(&answer));
        self.on(12, proof.as_bytes())?;
        self.on(0, b"")?;
        let header = message.split("n=").next().expect("a header").to_owned();
        Ok((mechanism, header))
    }
}

const PLUS_AND_PLAIN: &[u8] = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
const PLAIN_ONLY: &[u8] = b"SCRAM-SHA-256\0\0";
static PLAIN: Channel = Channel::Plain;
static METHODS_ALL: std::sync::LazyLock<AuthMethods> =
    std::sync::LazyLock::new(AuthMethods::default);

fn password() -> Password {
    Password::new("s3cret".to_owned())
}

fn credentials(password: Option<&Password>) -> Credentials<'_> {
    Credentials {
        user: "me",
        password,
        channel: &PLAIN,
        channel_binding: ChannelBindingMode::Prefer,
        methods: &METHODS_ALL,
    }
}

#[test]
fn trust_needs_no_answer() {
    let mut client = Client::new(credentials(None));
    assert_eq!(client.on(0, b""), Ok(vec![]));
    assert!(client.exchange.is_done());
}

#[test]
fn a_clear_password_is_sent_as_it_is() {
    let password = password();
    let mut client = Client::new(credentials(Some(&password)));
    assert_eq!(client.on(3, b""), Ok(b"s3cret\0".to_vec()));
    assert!(!client.exchange.is_done());
    assert_eq!(client.on(0, b""), Ok(vec![]));
    assert!(client.exchange.is_done());
}

#[test]
fn an_md5_password_is_hashed_with_user_and_salt() {
    let password = password();
    let mut client = Client::new(credentials(Some(&password)));
    let expected = format!("{}\0", md5_hash(b"me", b"s3cret", *b"salt"));
    assert_eq!(client.on(5, b"salt"), Ok(expected.into_bytes()));
}

#[test]
fn without_a_password_every_method_that_needs_one_fails() {
    for (number, content) in [(3, &b""[..]), (5, b"salt"), (10, PLAIN_ONLY)] {
        let mut client = Client::new(credentials(None));
        assert_eq!(client.on(number, content), Err(Cause::PasswordMissing));
    }
}

#[test]
fn scram_succeeds_and_says_that_it_cannot_bind() {
    let password = password();
    let mut client = Client::new(credentials(Some(&password)));
    let found = client.scram(PLAIN_ONLY, &mut ScramServer::new("s3cret", 4096));
    assert_eq!(found, Ok(("SCRAM-SHA-256".into(), "n,,".into())));
    assert!(client.exchange.is_done());
}

#[test]
fn scram_over_tls_binds_if_it_is_offered() {
    let password = password();
    let channel = Channel::Tls(Some(vec![7; 32]));
    let check = |mode, list, mechanism: &str, header: &str| {
        let mut client = Client::new(Credentials {
            channel: &channel,
            channel_binding: mode,
            ..credentials(Some(&password))
        });
        let found = client.scram(list, &mut ScramServer::new("s3cret", 1));
        assert_eq!(found, Ok((mechanism.into(), header.into())));
    };
    let (plus, plain) = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256");
    check(
        ChannelBindingMode::Prefer,
        PLUS_AND_PLAIN,
        plus,
        "p=tls-server-end-point,,",
    );
    check(
        ChannelBindingMode::Require,
        PLUS_AND_PLAIN,
        plus,
        "p=tls-server-end-point,,",
    );
    check(ChannelBindingMode::Prefer, PLAIN_ONLY, plain, "y,,");
    check(ChannelBindingMode::Disable, PLUS_AND_PLAIN, plain, "n,,");
}

#[test]
fn required_binding_refuses_everything_else_before_the_password_is_used() {
    let password = password();
    let methods = AuthMethods::default().only_scram();
    for (number, content, text) in [
        (0, &b""[..], BINDING_SKIPPED),
        (3, b"", BINDING_UNSUPPORTED),
        (5, b"salt", BINDING_UNSUPPORTED),
        (10, PLAIN_ONLY, BINDING_WITHOUT_TLS),
    ] {
        let mut client = Client::new(Credentials {
            channel_binding: ChannelBindingMode::Require,
            methods: &methods,
            ..credentials(Some(&password))
        });
        assert_eq!(client.on(number, content), Err(unbound(text)));
        assert!(client.out.is_empty());
    }
}

#[test]
fn an_offer_to_bind_without_tls_is_refused() {
    let password = password();
    let mut client = Client::new(credentials(Some(&password)));
    assert!(matches!(
        client.on(10, PLUS_AND_PLAIN),
        Err(Cause::Authentication(_))
    ));
}

#[test]
fn a_server_that_does_not_know_the_password_is_refused() {
    let password = password();
    let mut client = Client::new(credentials(Some(&password)));
    let found = client.scram(PLAIN_ONLY, &mut ScramServer::new("other", 4096));
    assert!(matches!(found, Err(Cause::Authentication(_))), "{found:?}");
}

#[test]
fn a_huge_iteration_count_is_refused_without_computing_it() {
    let password = password();
    let mut client = Client::new(credentials(Some(&password)));
    let first = client.on(10, PLAIN_ONLY).expect("an offer");
    let message = String::from_utf8_lossy(&first[18..]).into_owned();
    let mut server = ScramServer::new("s3cret", u32::MAX);
    let refused = client.on(11, server.challenge(&message).as_bytes());
    let Err(Cause::Authentication(text)) = refused else {
        panic!("accepted");
    };
    assert!(text.contains("iteration count"), "{text}");
}

#[test]
fn a_server_cannot_skip_its_proof() {
    let password = password();
    for after in [1, 2] {
        let mut client = Client::new(credentials(Some(&password)));
        let first = client.on(10, PLAIN_ONLY).expect("an offer");
        if after == 2 {
            let message = String::from_utf8_lossy(&first[18..]).into_owned();
            let challenge = ScramServer::new("s3cret", 1).challenge(&message);
            client.on(11, challenge.as_bytes()).expect("a challenge");
        }
        assert!(matches!(client.on(0, b""), Err(Cause::Authentication(_))));
    }
}

#[test]
fn a_second_request_is_refused() {
    let password = password();
    let mut client = Client::new(credentials(Some(&password)));
    client.on(5, b"salt").expect("md5");
    // Otherwise a server could ask for the hash first and for the password then.
    assert!(matches!(client.on(3, b""), Err(Cause::Protocol(_))));
}

#[test]
fn broken_challenges_are_refused() {
    let password = password();
    for challenge in ["", "r=", "r=other,s=c2FsdA==,i=1", "x", "r=\u{e9}", "e=no"] {
        let mut client = Client::new(credentials(Some(&password)));
        client.on(10, PLAIN_ONLY).expect("an offer");
        let refused = client.on(11, challenge.as_bytes());
        assert!(
            matches!(refused, Err(Cause::Authentication(_))),
            "{challenge}"
        );
    }
}

#[test]
fn methods_we_do_not_speak_are_named() {
    let check = |number, text: &str| {
        let mut client = Client::new(credentials(None));
        assert_eq!(
            client.on(number, b""),
            Err(Cause::Authentication(text.into()))
        );
    };
    check(7, "gss authentication is not supported");
    check(9, "sspi authentication is not supported");
    check(2, "authentication method 2 not supported");
}

#[test]
fn mechanisms_we_do_not_speak_are_refused() {
    let password = password();
    let mut client = Client::new(credentials(Some(&password)));
    assert!(matches!(
        client.on(10, b"OAUTHBEARER\0\0"),
        Err(Cause::Authentication(_))
    ));
}

#[test]
fn required_methods_are_enforced() {
    let password = password();
    let allows = |list: &str, number, content: &[u8]| {
        let methods: AuthMethods = list.parse().expect(list);
        let mut client = Client::new(Credentials {
            methods: &methods,
            ..credentials(Some(&password))
        });
        client.on(number, content).is_ok()
    };
    assert!(allows("scram-sha-256", 10, PLAIN_ONLY));
    assert!(!allows("scram-sha-256", 3, b""));
    assert!(!allows("scram-sha-256", 0, b""));
    assert!(allows("md5, none", 5, b"salt"));
    assert!(allows("none", 0, b""));
    assert!(!allows("!password,!md5", 3, b""));
    assert!(allows("!password,!md5", 10, PLAIN_ONLY));
    for list in ["", "!", "md5,", "kerberos", "!md5,none"] {
        assert!(list.parse::<AuthMethods>().is_err(), "{list}");
    }
}
