//! Why a connection is given up, and the status that tells the client.
//!
//! A flat enum without text, so that refusing costs nothing and tests can name the exact rule.
//! Invariant: after a refusal the position of the next request is unknown or not trusted, so every
//! variant closes the connection.

use std::fmt;

/// The rule that the client's bytes broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The first byte, or the method, is no token: TLS, binary, a second empty line.
    InvalidMethod,
    /// The request line is not method, one space, target, one space, version.
    InvalidRequestLine,
    /// A line ends with LF alone.
    BareLineFeed,
    /// A line begins with a CR that no LF follows.
    BareCarriageReturn,
    /// The field name is empty or no token, has a space before its colon, or the line is folded.
    InvalidHeaderName,
    /// The field value has a control byte, or a CR that no LF follows.
    InvalidHeaderValue,
    /// The target has none of the four forms, or has a form that this method cannot have.
    InvalidTarget,
    /// The target has bytes that are no UTF-8.
    TargetNotUtf8,
    /// The target has a fragment.
    FragmentInTarget,
    /// An HTTP/1.1 request without `Host`.
    MissingHost,
    /// More than one `Host`.
    RepeatedHost,
    /// The host is no `uri-host [":" port]`.
    InvalidHost,
    /// `Content-Length` is not a plain decimal number of 64 bits.
    InvalidContentLength,
    /// More than one `Content-Length`, even with equal values.
    RepeatedContentLength,
    /// Both `Content-Length` and `Transfer-Encoding`.
    AmbiguousLength,
    /// `Transfer-Encoding` in an HTTP/1.0 request.
    TransferEncodingInHttp10,
    /// `Transfer-Encoding` has an empty element.
    InvalidTransferEncoding,
    /// `chunked` is repeated, or another coding follows it.
    ChunkedNotFinal,
    /// A transfer coding other than `chunked`.
    UnsupportedTransferCoding,
    /// The chunk size is no hexadecimal number of at most 16 digits.
    InvalidChunkSize,
    /// The chunk extension is malformed.
    InvalidChunkExtension,
    /// A chunk's line, or all extensions together, are too long.
    ChunkExtensionTooLong,
    /// The data of a chunk is not followed by CR LF.
    InvalidChunkEnd,
    /// A trailer line is no field.
    InvalidTrailer,
    /// The client took too long; said by the server, which has the clock.
    RequestTimeout,
    /// The body is longer than `body_bytes_max`.
    BodyTooLarge,
    /// The request line is longer than `line_bytes_max`.
    RequestLineTooLong,
    /// `Expect` with anything but `100-continue`.
    UnknownExpectation,
    /// The head is longer than `header_bytes_max`.
    HeadTooLarge,
    /// More fields than `headers_max`.
    TooManyHeaders,
    /// The trailer section is too long.
    TrailersTooLarge,
    /// A version other than HTTP/1.0 and HTTP/1.1, the HTTP/2 preface among them.
    UnsupportedVersion,
    /// There is no memory for the request now; said by the server, which has the account.
    OutOfMemory,
}

impl Refusal {
    /// The status to answer with.
    pub fn status(self) -> u16 {
        match self {
            Refusal::InvalidMethod
            | Refusal::InvalidRequestLine
            | Refusal::BareLineFeed
            | Refusal::BareCarriageReturn
            | Refusal::InvalidHeaderName
            | Refusal::InvalidHeaderValue
            | Refusal::InvalidTarget
            | Refusal::TargetNotUtf8
            | Refusal::FragmentInTarget
            | Refusal::MissingHost
            | Refusal::RepeatedHost
            | Refusal::InvalidHost
            | Refusal::InvalidContentLength
            | Refusal::RepeatedContentLength
            | Refusal::AmbiguousLength
            | Refusal::TransferEncodingInHttp10
            | Refusal::InvalidTransferEncoding
            | Refusal::ChunkedNotFinal
            | Refusal::InvalidChunkSize
            | Refusal::InvalidChunkExtension
            | Refusal::ChunkExtensionTooLong
            | Refusal::InvalidChunkEnd
            | Refusal::InvalidTrailer => 400,
            Refusal::RequestTimeout => 408,
            Refusal::BodyTooLarge => 413,
            Refusal::RequestLineTooLong => 414,
            Refusal::UnknownExpectation => 417,
            Refusal::HeadTooLarge | Refusal::TooManyHeaders | Refusal::TrailersTooLarge => 431,
            Refusal::UnsupportedTransferCoding => 501,
            Refusal::OutOfMemory => 503,
            Refusal::UnsupportedVersion => 505,
        }
    }

    /// What was wrong, for the log and the body of the answer.
    pub fn message(self) -> &'static str {
        match self {
            Refusal::InvalidMethod => "invalid method",
            Refusal::InvalidRequestLine => "invalid request line",
            Refusal::BareLineFeed => "line feed without carriage return",
            Refusal::BareCarriageReturn => "carriage return without line feed",
            Refusal::InvalidHeaderName => "invalid header name",
            Refusal::InvalidHeaderValue => "invalid header value",
            Refusal::InvalidTarget => "invalid request target",
            Refusal::TargetNotUtf8 => "request target is not UTF-8",
            Refusal::FragmentInTarget => "fragment in request target",
            Refusal::MissingHost => "missing Host header",
            Refusal::RepeatedHost => "repeated Host header",
            Refusal::InvalidHost => "invalid host",
            Refusal::InvalidContentLength => "invalid Content-Length",
            Refusal::RepeatedContentLength => "repeated Content-Length",
            Refusal::AmbiguousLength => "both Content-Length and Transfer-Encoding",
            Refusal::TransferEncodingInHttp10 => "Transfer-Encoding in HTTP/1.0",
            Refusal::InvalidTransferEncoding => "invalid Transfer-Encoding",
            Refusal::ChunkedNotFinal => "chunked is not the final transfer coding",
            Refusal::UnsupportedTransferCoding => "unsupported transfer coding",
            Refusal::InvalidChunkSize => "invalid chunk size",
            Refusal::InvalidChunkExtension => "invalid chunk extension",
            Refusal::ChunkExtensionTooLong => "chunk extension too long",
            Refusal::InvalidChunkEnd => "invalid end of chunk",
            Refusal::InvalidTrailer => "invalid trailer",
            Refusal::RequestTimeout => "request timeout",
            Refusal::BodyTooLarge => "body too large",
            Refusal::RequestLineTooLong => "request line too long",
            Refusal::UnknownExpectation => "unknown expectation",
            Refusal::HeadTooLarge => "request head too large",
            Refusal::TooManyHeaders => "too many headers",
            Refusal::TrailersTooLarge => "trailers too large",
            Refusal::UnsupportedVersion => "unsupported HTTP version",
            Refusal::OutOfMemory => "no memory for the request now",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Refusal {}
