//! An nginx or a HAProxy in front of the server under test.
//!
//! Both are told to pass on what they may, and to share their connections to the server among all
//! clients: what one client leaves on a connection is met by another one. What they give to the
//! server stands in a log.

use crate::client::Address;
use crate::cluster::Owner;
use crate::waiting::{until, until_some};
use crate::watchdog;
use rustix::process::{Pid, Signal, kill_process};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The file with its settings.
const CONFIGURATION: &str = "front.conf";

/// Where it logs to. HAProxy does that by its output, and loses lines when that is a pipe that is
/// full, or when two of its threads write at once, so it has one.
const ACCESS_LOG: &str = "access.log";

/// The page that browsers are given.
const PAGE: &str = "page.html";

/// Which proxy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// nginx.
    Nginx,
    /// HAProxy.
    Haproxy,
}

/// A running proxy. It is killed when it is dropped.
#[derive(Debug)]
pub struct Front {
    program: Program,
    folder: PathBuf,
    child: Child,
}

impl Program {
    /// The sockets it listens on; behind each it is set differently.
    pub fn doors(self) -> [&'static str; 2] {
        match self {
            Program::Nginx => ["buffered", "unbuffered"],
            Program::Haproxy => ["strict", "lenient"],
        }
    }

    /// Debian keeps them out of the PATH of ordinary users.
    fn path(self) -> PathBuf {
        let name = match self {
            Program::Nginx => "nginx",
            Program::Haproxy => "haproxy",
        };
        let debian = Path::new("/usr/sbin").join(name);
        if debian.exists() { debian } else { name.into() }
    }

    /// How it is told to stay in the foreground, and where its settings are.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Program::Nginx => &["-e", "stderr", "-p", ".", "-c"],
            Program::Haproxy => &["-db", "-f"],
        }
    }
}

impl Front {
    /// Starts one for a server, and waits until it listens.
    ///
    /// # Panics
    /// If it does not.
    pub fn start(program: Program, server: SocketAddr) -> Front {
        let text = match program {
            Program::Nginx => nginx(server),
            Program::Haproxy => haproxy(server),
        };
        let front = Front::spawn(program, &text, "");
        for door in program.doors() {
            let socket = front.folder.join(door);
            until("a proxy to listen", || socket.exists());
        }
        front
    }

    /// Starts an nginx that gives browsers this page, for whatever begins with `/page`, and passes
    /// all else on to a server, but for `/report`, which it only logs. Returns where it listens.
    ///
    /// # Panics
    /// If it does not listen.
    pub fn start_for_browsers(server: SocketAddr, page: &str) -> (Front, SocketAddr) {
        // nginx cannot be asked which port it has taken, so one is chosen that was free just now.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("there is a free port");
        let front = Front::spawn(Program::Nginx, &nginx_for_browsers(server, address), page);
        until("nginx to listen", || TcpStream::connect(address).is_ok());
        (front, address)
    }

    /// The lines of what browsers have reported, without `/report`.
    pub fn reports(&self) -> Vec<String> {
        let text = self.logged();
        let reported = |line: &str| line.strip_prefix("given GET /report/").map(str::to_owned);
        text.lines().filter_map(reported).collect()
    }

    fn spawn(program: Program, text: &str, page: &str) -> Front {
        let owner = Owner::choose();
        let folder = owner.make_folder();
        let file = folder.join(CONFIGURATION);
        std::fs::write(folder.join(PAGE), page).expect("the folder is ours");
        let place = folder.to_str().expect("we chose it");
        std::fs::write(&file, text.replace("FOLDER", place)).expect("the folder is ours");
        let mut command: Command = owner.command(program.path(), &folder);
        command.args(program.arguments()).arg(&file);
        let output = match program {
            Program::Nginx => Stdio::null(),
            Program::Haproxy => std::fs::File::create(folder.join(ACCESS_LOG))
                .expect("the folder is ours")
                .into(),
        };
        command.stdout(output).stderr(Stdio::null());
        let child = command
            .spawn()
            .expect("it is installed: scripts/install-dependencies does that");
        watchdog::watch(child.id());
        Front {
            program,
            folder,
            child,
        }
    }

    /// Where it listens.
    pub fn door(&self, name: &str) -> Address {
        Address::Unix(self.folder.join(name))
    }

    /// Ends it when it has done what it has begun. Returns the requests that it has given to the
    /// server, as method and target.
    ///
    /// # Panics
    /// If it does not end.
    pub fn stop(mut self) -> Vec<String> {
        let soft = match self.program {
            Program::Nginx => Signal::QUIT,
            Program::Haproxy => Signal::USR1,
        };
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id is positive"), soft).expect("it is our child");
        until_some("a proxy to end", || {
            self.child.try_wait().expect("it is our child")
        });
        let text = self.logged();
        let given = |line: &str| line.strip_prefix("given ").map(str::to_owned);
        text.lines().filter_map(given).collect()
    }

    fn logged(&self) -> String {
        let bytes = std::fs::read(self.folder.join(ACCESS_LOG)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        watchdog::forget(self.child.id());
        if std::thread::panicking() {
            eprintln!("the proxy's log:\n{}", self.logged());
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A request that is tried again after an error could not be told from one that was smuggled in, so
/// nobody tries again.
fn nginx(server: SocketAddr) -> String {
    let door = |name: &str, settings: &str| {
        format!(
            "server {{ listen unix:FOLDER/{name};
               location / {{ proxy_pass http://behind; {settings} }} }}\n"
        )
    };
    let doors = door("buffered", "") + &door("unbuffered", "proxy_request_buffering off;");
    format!(
        "daemon off; master_process off; pid FOLDER/pid;
events {{ worker_connections 512; }}
http {{
  map $upstream_addr $given {{ default given; '' refused; }}
  log_format given '$given $request_method $request_uri';
  access_log FOLDER/{ACCESS_LOG} given;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi; uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
  client_header_timeout 300ms; client_body_timeout 300ms; lingering_timeout 300ms;
  keepalive_timeout 20s; keepalive_requests 1000000;
  ignore_invalid_headers off; underscores_in_headers on; merge_slashes off;
  large_client_header_buffers 8 64k; client_max_body_size 0;
  proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host $http_host;
  proxy_next_upstream off;
  upstream behind {{ server {server}; keepalive 2; keepalive_requests 1000000; }}
  {doors}}}
"
    )
}

/// As the book has it (docs/proxies.md), with nothing in it for events.
fn nginx_for_browsers(server: SocketAddr, address: SocketAddr) -> String {
    format!(
        "daemon off; master_process off; pid FOLDER/pid;
events {{ worker_connections 512; }}
http {{
  log_format given 'given $request_method $request_uri';
  access_log FOLDER/{ACCESS_LOG} given;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi; uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
  upstream behind {{ server {server}; keepalive 64; keepalive_timeout 60s; }}
  server {{ listen {address};
    location /page {{ default_type text/html; alias FOLDER/{PAGE}; }}
    location /report {{ return 204; }}
    location / {{
      proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection '';
      proxy_set_header Host $host; proxy_max_temp_file_size 0; }} }}
}}
"
    )
}

fn haproxy(server: SocketAddr) -> String {
    format!(
        "global
  log stdout format raw daemon
  nbthread 1
  tune.bufsize 131072
  h1-case-adjust date Date
  h1-case-adjust server Server
defaults
  mode http
  log global
  log-format \"%s %HM %HU %ST %ts\"
  timeout connect 5s
  timeout client 1s
  timeout server 2s
  timeout http-request 300ms
  timeout http-keep-alive 20s
  retries 0
  option h1-case-adjust-bogus-client
frontend strict
  bind unix@FOLDER/strict
  default_backend behind
frontend lenient
  bind unix@FOLDER/lenient
  option accept-invalid-http-request
  default_backend behind_as_it_is
backend behind
  http-reuse always
  server given {server} maxconn 32
backend behind_as_it_is
  http-reuse always
  option http-restrict-req-hdr-names preserve
  server given {server} maxconn 32
"
    )
}
