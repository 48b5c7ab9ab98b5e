//! `proxy`: makes a PostgreSQL on this machine look as if it were farther away.
//!
//! ```text
//! server ──TCP──▶ proxy: each piece waits until it is `delay` old ──Unix socket──▶ PostgreSQL
//!        ◀──────────────── replies are passed on at once ◀─────────────────────────
//! ```
//! Only one direction is delayed, so a batch that comes in one piece takes one delay longer. Pieces
//! that follow each other closely are all late by the same time, as on a wire: they wait in a
//! queue with the times of their arrival, not one after the other. A sleep ends some 60 µs late.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use argh::FromArgs;

/// Pass a TCP port on to a Unix socket, later.
#[derive(FromArgs)]
struct Arguments {
    /// where to listen, address:port
    #[argh(option)]
    listen: SocketAddr,
    /// the Unix socket of PostgreSQL
    #[argh(option)]
    socket: PathBuf,
    /// how long each piece of a request waits, in microseconds
    #[argh(option)]
    delay_us: u64,
}

const PIECE_BYTES: usize = 64 << 10;

fn main() -> io::Result<()> {
    let arguments: Arguments = argh::from_env();
    let listener = TcpListener::bind(arguments.listen)?;
    let delay = Duration::from_micros(arguments.delay_us);
    for client in listener.incoming() {
        pass_on(client?, &arguments.socket, delay)?;
    }
    Ok(())
}

/// Starts the three threads of a connection, which end with it.
fn pass_on(client: TcpStream, socket: &Path, delay: Duration) -> io::Result<()> {
    client.set_nodelay(true)?;
    let server = UnixStream::connect(socket)?;
    let (sender, receiver) = mpsc::channel();
    let (requests, mut replies) = (client.try_clone()?, client);
    let (to_server, mut from_server) = (server.try_clone()?, server);
    thread::spawn(move || queue(requests, &sender));
    thread::spawn(move || write_later(to_server, &receiver, delay));
    thread::spawn(move || {
        let _ = io::copy(&mut from_server, &mut replies);
        let _ = replies.shutdown(Shutdown::Both);
    });
    Ok(())
}

/// What came, and when.
type Piece = (Instant, Vec<u8>);

/// Until the client is gone; then the queue ends, too.
fn queue(mut requests: TcpStream, pieces: &Sender<Piece>) {
    let mut buffer = vec![0; PIECE_BYTES];
    while let Ok(count @ 1..) = requests.read(&mut buffer) {
        if pieces
            .send((Instant::now(), buffer[..count].to_vec()))
            .is_err()
        {
            return;
        }
    }
}

fn write_later(mut server: UnixStream, pieces: &Receiver<Piece>, delay: Duration) {
    for (came_at, piece) in pieces {
        thread::sleep((came_at + delay).saturating_duration_since(Instant::now()));
        if server.write_all(&piece).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn bytes_arrive_whole_and_late_and_the_end_does_too() {
        let path = std::env::temp_dir().join(format!("proxy-{}.socket", std::process::id()));
        let server = UnixListener::bind(&path).expect("a free name");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut client = TcpStream::connect(listener.local_addr().expect("bound")).expect("up");
        let delay = Duration::from_millis(20);
        let (accepted, _) = listener.accept().expect("a client waits");
        pass_on(accepted, &path, delay).expect("both ends are there");
        let (mut server, _) = server.accept().expect("the proxy waits");
        std::fs::remove_file(&path).expect("ours");

        let sent_at = Instant::now();
        client.write_all(b"ping").expect("open");
        let mut received = [0; 4];
        server.read_exact(&mut received).expect("open");
        assert!(sent_at.elapsed() >= delay && &received == b"ping");
        server.write_all(b"pong").expect("open");
        client.read_exact(&mut received).expect("open");
        assert_eq!(&received, b"pong");
        drop(client);
        assert_eq!(server.read(&mut received).expect("the end"), 0);
    }
}
