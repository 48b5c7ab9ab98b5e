//! TLS to the server, with libpq's meaning of its settings.
//!
//! libpq verifies the chain whenever a root certificate is there, and the name only in
//! `verify-full`; without a root certificate `require` encrypts and verifies nothing. The ways in
//! which libpq is kinder than WebPKI are kept: a trusted certificate may be the server's own, and
//! the common name counts when there are no alternative names.
//! Invariant: the handshake's signature is always verified, so that channel binding, which relies
//! on the server having the key of its certificate, means something in every mode.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature_with_raw_key};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::ParsedCertificate;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore,
    SignatureScheme, SupportedProtocolVersion,
};

use super::address::Address;
use super::certificate::Certificate;
use super::error::{Cause, ConnectError, system_text};
use super::socket::Socket;
use super::stream::Stream;

/// `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TlsMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// `sslnegotiation`: whether we ask for TLS in the PostgreSQL protocol or just begin it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TlsNegotiation {
    #[default]
    Asked,
    Direct,
}

/// `sslcertmode`: whether the server gets a certificate of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CertificateMode {
    Disable,
    Allow,
    Require,
}

/// A version of TLS; those before 1.2 are one, since none of them is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TlsVersion {
    Old,
    Tls12,
    Tls13,
}

/// Everything about TLS that the user can say.
#[derive(Clone, Debug)]
pub(super) struct TlsSettings {
    pub(super) mode: TlsMode,
    pub(super) negotiation: TlsNegotiation,
    pub(super) roots_from_system: bool,
    pub(super) root_file: Option<PathBuf>,
    pub(super) certificate_mode: CertificateMode,
    pub(super) certificate_file: Option<PathBuf>,
    pub(super) key_file: Option<PathBuf>,
    /// Whether the server is told which name we look for.
    pub(super) server_name: bool,
    pub(super) version_min: TlsVersion,
    pub(super) version_max: TlsVersion,
}

impl TlsSettings {
    /// Refuses combinations that cannot work or that promise more than they hold.
    pub(super) fn check(&self) -> Result<(), ConnectError> {
        let refuse = |text: &str| Err(ConnectError::Parameters(text.to_owned()));
        if self.roots_from_system && self.mode != TlsMode::VerifyFull {
            return refuse(
                "weak sslmode may not be used with sslrootcert=system (use \"verify-full\")",
            );
        }
        if self.negotiation == TlsNegotiation::Direct && self.mode < TlsMode::Require {
            return refuse(
                "weak sslmode may not be used with sslnegotiation=direct (use \"require\", \
                 \"verify-ca\", or \"verify-full\")",
            );
        }
        if self.version_max == TlsVersion::Old {
            return refuse("ssl_max_protocol_version must be at least TLSv1.2");
        }
        if self.version_min > self.version_max {
            return refuse("invalid SSL protocol version range");
        }
        Ok(())
    }

    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let range = self.version_min..=self.version_max;
        let all = [(TlsVersion::Tls13, &TLS13), (TlsVersion::Tls12, &TLS12)];
        let spoken = all
            .into_iter()
            .filter(|(version, _)| range.contains(version));
        spoken.map(|(_, version)| version).collect()
    }
}

/// A finished handshake.
pub(super) struct Secured {
    pub(super) stream: Stream,
    /// The data of channel binding `tls-server-end-point`, if the certificate allows it.
    pub(super) end_point_hash: Option<Vec<u8>>,
}

/// Does the handshake on a socket on which the server expects it.
pub(super) fn handshake(
    mut socket: Socket,
    settings: &TlsSettings,
    host: &str,
    address: &Address,
) -> Result<Secured, Cause> {
    let config = client_config(settings, host)?;
    let name = server_name(host, address)?;
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(tls_cause)?;
    while connection.is_handshaking() {
        if let Err(error) = connection.complete_io(&mut socket) {
            return Err(handshake_cause(&error));
        }
    }
    // Whoever has not agreed on it may speak another protocol on the same port (ALPACA).
    if settings.negotiation == TlsNegotiation::Direct && connection.alpn_protocol().is_none() {
        let text = "direct SSL connection was established without ALPN protocol negotiation \
                    extension";
        return Err(Cause::Tls(text.to_owned()));
    }
    let certificate = connection.peer_certificates().and_then(<[_]>::first);
    let end_point_hash = certificate.and_then(|der| Certificate::parse(der)?.end_point_hash());
    Ok(Secured {
        stream: Stream::tls(connection, socket),
        end_point_hash,
    })
}

/// What a failed read or write on a TLS stream means.
pub(super) fn io_cause(error: &std::io::Error) -> Cause {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(error) => tls_cause(error.clone()),
        None => Cause::of_io(error),
    }
}

/// A connection that breaks during the handshake is a failure of TLS, so that `prefer` goes on
/// without it: some servers and middleboxes have no other way to say no.
fn handshake_cause(error: &std::io::Error) -> Cause {
    match io_cause(error) {
        Cause::Closed => Cause::Tls("SSL SYSCALL error: EOF detected".to_owned()),
        Cause::Io(_, text) => Cause::Tls(format!("SSL SYSCALL error: {text}")),
        other => other,
    }
}

fn tls_cause(error: rustls::Error) -> Cause {
    Cause::Tls(match error {
        rustls::Error::General(text) => text,
        rustls::Error::InvalidCertificate(CertificateError::Other(error)) => {
            format!("SSL error: certificate verify failed: {}", error.0)
        }
        rustls::Error::InvalidCertificate(error) => {
            format!("SSL error: certificate verify failed: {error}")
        }
        other => format!("SSL error: {other}"),
    })
}

/// The name to announce; without a usable name the address, which is never announced.
fn server_name(host: &str, address: &Address) -> Result<ServerName<'static>, Cause> {
    if let Ok(name) = ServerName::try_from(host.to_owned()) {
        return Ok(name);
    }
    match address {
        Address::Tcp { address, .. } => Ok(ServerName::from(address.ip())),
        Address::Unix { .. } => Err(Cause::Tls("SSL over a Unix socket is not possible".into())),
    }
}

fn client_config(settings: &TlsSettings, host: &str) -> Result<ClientConfig, Cause> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(Verifier {
        trust: load_trust(settings)?,
        host_to_check: match settings.mode {
            TlsMode::VerifyFull if host.is_empty() => {
                let text = "host name must be specified for a verified SSL connection";
                return Err(Cause::Tls(text.to_owned()));
            }
            TlsMode::VerifyFull => Some(host.to_owned()),
            _ => None,
        },
        provider: Arc::clone(&provider),
    });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&settings.versions())
        .map_err(tls_cause)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match load_identity(settings)? {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(tls_cause)?,
        None => builder.with_no_client_auth(),
    };
    // PostgreSQL issues no tickets, and each of our connections is its own configuration.
    config.resumption = Resumption::disabled();
    config.enable_sni = settings.server_name;
    if settings.negotiation == TlsNegotiation::Direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(config)
}

/// The certificates that a server may be vouched for by.
#[derive(Debug)]
struct Trust {
    roots: RootCertStore,
    /// The same certificates as they are: a server may present one of them itself.
    certificates: Vec<CertificateDer<'static>>,
}

/// `None` if the mode verifies only when there is a root certificate, and there is none.
fn load_trust(settings: &TlsSettings) -> Result<Option<Trust>, Cause> {
    if settings.roots_from_system {
        let found = rustls_native_certs::load_native_certs().certs;
        return trust("the system's certificate store", found).map(Some);
    }
    let file = settings.root_file.as_deref();
    let content = match file {
        // Parity: one that is there and cannot be read is no reason to trust anybody.
        Some(file) if file.exists() => Some(std::fs::read(file).map_err(|error| {
            let why = system_text(&error);
            let name = file.display();
            Cause::LocalFile(format!(
                "could not read root certificate file \"{name}\": {why}"
            ))
        })?),
        Some(_) | None => None,
    };
    let Some(content) = content else {
        if settings.mode < TlsMode::VerifyCa {
            return Ok(None);
        }
        let name = file
            .unwrap_or(Path::new("~/.postgresql/root.crt"))
            .display();
        return Err(Cause::LocalFile(format!(
            "root certificate file \"{name}\" does not exist\n\
             Either provide the file, use the system's trusted roots with sslrootcert=system, \
             or change sslmode to disable server certificate verification."
        )));
    };
    let name = file
        .map(|file| file.display().to_string())
        .unwrap_or_default();
    let found = CertificateDer::pem_slice_iter(&content)
        .filter_map(Result::ok)
        .collect();
    trust(&format!("root certificate file \"{name}\""), found).map(Some)
}

fn trust(source: &str, certificates: Vec<CertificateDer<'static>>) -> Result<Trust, Cause> {
    if certificates.is_empty() {
        return Err(Cause::LocalFile(format!(
            "could not read {source}: no certificate found"
        )));
    }
    let mut roots = RootCertStore::empty();
    // What cannot vouch for others can still be what the server presents itself.
    roots.add_parsable_certificates(certificates.iter().cloned());
    Ok(Trust {
        roots,
        certificates,
    })
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Our own certificate and its key, if there are any.
fn load_identity(settings: &TlsSettings) -> Result<Option<Identity>, Cause> {
    let (Some(certificate), Some(key)) = (&settings.certificate_file, &settings.key_file) else {
        return Ok(None);
    };
    if settings.certificate_mode == CertificateMode::Disable {
        return Ok(None);
    }
    let bad = |file: &Path, what: &str, why: &dyn std::fmt::Display| {
        Cause::LocalFile(format!(
            "could not load {what} file \"{}\": {why}",
            file.display()
        ))
    };
    let content = match std::fs::read(certificate) {
        Ok(content) => content,
        // libpq goes on without a certificate if its file is missing, even if it was named.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if settings.certificate_mode == CertificateMode::Require {
                return Err(Cause::LocalFile(format!(
                    "no client certificate found in \"{}\", but sslcertmode=require needs one",
                    certificate.display()
                )));
            }
            return Ok(None);
        }
        Err(error) => return Err(bad(certificate, "certificate", &system_text(&error))),
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&content)
        .collect::<Result<_, _>>()
        .map_err(|error| bad(certificate, "certificate", &error))?;
    check_key_is_private(key)?;
    let key_content =
        std::fs::read(key).map_err(|error| bad(key, "private key", &system_text(&error)))?;
    let key = PrivateKeyDer::from_pem_slice(&key_content).map_err(|_| {
        bad(
            key,
            "private key",
            &"no unencrypted private key in PEM format",
        )
    })?;
    Ok(Some((chain, key)))
}

/// libpq's rule: nobody else may read the key, but root may own it for a group.
fn check_key_is_private(key: &Path) -> Result<(), Cause> {
    use std::os::unix::fs::MetadataExt;
    let Ok(metadata) = std::fs::metadata(key) else {
        return Ok(()); // Reading it gives the better message.
    };
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & forbidden == 0 {
        return Ok(());
    }
    Err(Cause::LocalFile(format!(
        "private key file \"{}\" has group or world access; file must have permissions u=rw \
         (0600) or less if owned by the current user, or permissions u=rw,g=r (0640) or less if \
         owned by root",
        key.display()
    )))
}

#[derive(Debug)]
struct Verifier {
    trust: Option<Trust>,
    host_to_check: Option<String>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn check_chain(
        &self,
        trust: &Trust,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        if trust.certificates.contains(certificate) {
            let parsed = Certificate::parse(certificate).ok_or(CertificateError::BadEncoding)?;
            return match parsed.is_valid_at(now.as_secs()) {
                true => Ok(()),
                false => Err(CertificateError::Expired.into()),
            };
        }
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &trust.roots,
            intermediates,
            now,
            algorithms,
        )
    }

    fn check_name(
        &self,
        host: &str,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
    ) -> Result<(), rustls::Error> {
        let by_alternative_name = ParsedCertificate::try_from(certificate)
            .and_then(|parsed| verify_server_name(&parsed, name));
        if by_alternative_name.is_ok() {
            return Ok(());
        }
        let parsed = Certificate::parse(certificate);
        if parsed.is_some_and(|parsed| parsed.common_name_matches(host)) {
            return Ok(());
        }
        let presented = parsed
            .and_then(|parsed| parsed.common_name)
            .unwrap_or("another host");
        Err(rustls::Error::General(format!(
            "server certificate for \"{presented}\" does not match host name \"{host}\""
        )))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(trust) = &self.trust {
            self.check_chain(trust, certificate, intermediates, now)?;
        }
        if let Some(host) = &self.host_to_check {
            self.check_name(host, certificate, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // By the key alone, because WebPKI reads no version 1 certificates and `openssl x509 -req`
        // makes them.
        let parsed = Certificate::parse(certificate).ok_or(CertificateError::BadEncoding)?;
        let key = SubjectPublicKeyInfoDer::from(parsed.public_key);
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl FromStr for TlsMode {
    type Err = ();

    fn from_str(text: &str) -> Result<TlsMode, ()> {
        match text {
            "disable" => Ok(TlsMode::Disable),
            "allow" => Ok(TlsMode::Allow),
            "prefer" => Ok(TlsMode::Prefer),
            "require" => Ok(TlsMode::Require),
            "verify-ca" => Ok(TlsMode::VerifyCa),
            "verify-full" => Ok(TlsMode::VerifyFull),
            _ => Err(()),
        }
    }
}

impl FromStr for TlsNegotiation {
    type Err = ();

    fn from_str(text: &str) -> Result<TlsNegotiation, ()> {
        match text {
            "postgres" => Ok(TlsNegotiation::Asked),
            "direct" => Ok(TlsNegotiation::Direct),
            _ => Err(()),
        }
    }
}

impl FromStr for CertificateMode {
    type Err = ();

    fn from_str(text: &str) -> Result<CertificateMode, ()> {
        match text {
            "disable" => Ok(CertificateMode::Disable),
            "allow" => Ok(CertificateMode::Allow),
            "require" => Ok(CertificateMode::Require),
            _ => Err(()),
        }
    }
}

impl FromStr for TlsVersion {
    type Err = ();

    fn from_str(text: &str) -> Result<TlsVersion, ()> {
        match text.to_ascii_lowercase().as_str() {
            "tlsv1" | "tlsv1.0" | "tlsv1.1" => Ok(TlsVersion::Old),
            "tlsv1.2" => Ok(TlsVersion::Tls12),
            "tlsv1.3" => Ok(TlsVersion::Tls13),
            _ => Err(()),
        }
    }
}
