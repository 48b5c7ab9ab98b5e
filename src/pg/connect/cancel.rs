//! Asking a server to cancel what a session is doing.
//!
//! It takes a connection of its own, on which the server answers nothing. That connection is
//! encrypted if the session is, so that the key does not cross the network in the clear.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use corerest_wire::pg::frontend;

use super::error::{Attempt, Cause, ConnectError};
use super::open::{OpenOptions, secure_again};
use super::session::CancelToken;
use super::socket::Socket;
use super::target::Target;
use super::tls::io_cause;

/// How long it may take: nobody waits for the answer any more.
const CANCEL_MAX: Duration = Duration::from_secs(5);

/// Asks the server to cancel; that it succeeded says only that the request was passed on: the
/// session has got its signal, and heeds it if it is still busy.
///
/// # Errors
/// If the server cannot be reached, or does not close the connection in time. Then the request may
/// still be on its way, and the session must not be asked anything else.
pub fn cancel(
    target: &Target,
    token: &CancelToken,
    options: &OpenOptions,
) -> Result<(), ConnectError> {
    send(target, token, options).map_err(|cause| {
        ConnectError::Failed(vec![Attempt::new(Some(token.address.clone()), cause)])
    })
}

fn send(target: &Target, token: &CancelToken, options: &OpenOptions) -> Result<(), Cause> {
    let deadline = Instant::now() + options.timeout(target).min(CANCEL_MAX);
    let socket = Socket::connect(&token.address, &target.keepalive, deadline)?;
    let mut stream = secure_again(target, socket, token.encrypted, &token.host, &token.address)?;
    let mut request = Vec::new();
    frontend::cancel_request(&mut request, token.key);
    stream
        .write_all(&request)
        .map_err(|error| io_cause(&error))?;
    stream.flush().map_err(|error| io_cause(&error))?;
    // The server closes when it has passed the request on. Waiting for that keeps a cancel from
    // hitting the statement after the one it was meant for.
    match stream.read(&mut [0_u8; 1]) {
        Err(error) if is_timeout(&error) => Err(Cause::TimedOut),
        // However it ends, it is over.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    use io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), TimedOut | WouldBlock)
}
