//! A network of the server's own, in which packets really get lost.
//!
//! Two ends of a virtual cable, one of them in another network namespace. A hole is made by
//! telling each end a wrong hardware address of the other: the kernel sends, and nobody takes it.

use crate::wire::PORT_ANY;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

const NOBODY: &str = "02:00:00:00:00:99";

/// The network; it is taken away when it is dropped.
#[derive(Debug)]
pub struct Network {
    name: String,
    outside: End,
    inside: End,
}

/// One end of the cable.
#[derive(Debug)]
struct End {
    device: String,
    address: Ipv4Addr,
    hardware: String,
}

impl Network {
    /// Why there can be none on this machine.
    pub fn missing() -> Option<String> {
        let probe = format!("cr{}x", std::process::id() % 100_000);
        let made = try_ip(&["netns", "add", &probe]);
        let _ = try_ip(&["netns", "delete", &probe]);
        made.err().map(|why| format!("no network namespace: {why}"))
    }

    /// Makes one.
    ///
    /// # Panics
    /// If it does not work.
    pub fn make() -> Network {
        static NUMBER: AtomicU8 = AtomicU8::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // The name of a device has 15 bytes.
        let name = format!("cr{}n{number}", std::process::id() % 100_000);
        let [.., low] = std::process::id().to_be_bytes();
        let end = |letter: char, last: u8| End {
            device: format!("{name}{letter}"),
            address: Ipv4Addr::new(10, 203, low, number * 4 + last),
            hardware: format!("02:00:00:{low:02x}:{number:02x}:0{last}"),
        };
        let network = Network {
            outside: end('a', 1),
            inside: end('b', 2),
            name,
        };
        let (outside, inside) = (&network.outside, &network.inside);
        ip(&["netns", "add", &network.name]);
        ip(&[
            "link",
            "add",
            &outside.device,
            "address",
            &outside.hardware,
            "type",
            "veth",
            "peer",
            "name",
            &inside.device,
            "address",
            &inside.hardware,
            "netns",
            &network.name,
        ]);
        for (end, place) in [(outside, vec![]), (inside, vec!["-n", &*network.name])] {
            let address = format!("{}/30", end.address);
            ip(&[
                &place[..],
                &["address", "add", &address, "dev", &end.device],
            ]
            .concat());
            ip(&[&place[..], &["link", "set", &end.device, "up"]].concat());
        }
        network.close();
        network
    }

    /// Where a listener is reached from inside.
    pub fn outside(&self) -> SocketAddr {
        (self.outside.address, PORT_ANY).into()
    }

    /// The same command, inside.
    pub fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("ip");
        inside
            .args(["netns", "exec", &self.name])
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        inside
    }

    /// From now on no packet arrives.
    pub fn open(&self) {
        self.tell(NOBODY, NOBODY);
    }

    /// They arrive again.
    pub fn close(&self) {
        self.tell(&self.outside.hardware, &self.inside.hardware);
    }

    /// Where the ends believe the other one to be.
    fn tell(&self, outside: &str, inside: &str) {
        let known = |from: &End, to: &End, hardware: &str| {
            let words = [
                "neigh",
                "replace",
                &to.address.to_string(),
                "lladdr",
                hardware,
            ];
            let words = words
                .into_iter()
                .chain(["nud", "permanent", "dev", &from.device]);
            words.map(str::to_owned).collect::<Vec<_>>()
        };
        let from_outside = known(&self.outside, &self.inside, inside);
        let mut from_inside = vec!["-n".to_owned(), self.name.clone()];
        from_inside.extend(known(&self.inside, &self.outside, outside));
        for words in [from_outside, from_inside] {
            ip(&words.iter().map(|word| &**word).collect::<Vec<_>>());
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The devices go with it, when the last process in it has ended.
        let _ = try_ip(&["link", "delete", &self.outside.device]);
        let _ = try_ip(&["netns", "delete", &self.name]);
    }
}

fn ip(words: &[&str]) {
    if let Err(why) = try_ip(words) {
        panic!("ip {}: {why}", words.join(" "));
    }
}

fn try_ip(words: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(words).output();
    let output = output.map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
