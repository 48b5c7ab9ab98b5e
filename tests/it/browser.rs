//! A real browser hears events: Chromium's `EventSource`, through nginx and from another origin.
//!
//! The page tells what it hears by asking for addresses that nginx logs.

use crate::events::{database, notify, start_with};
use corerest_tests::client::Address;
use corerest_tests::cluster::Cluster;
use corerest_tests::front::Front;
use corerest_tests::waiting::until;
use corerest_tests::watchdog;
use rustix::process::Signal;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Hears the same by two ways, and reports each step.
const PAGE: &str = r#"<!doctype html><title>Events</title><script>
const report = text => fetch('/report/' + text);
const hear = (way, address) => {
  const events = new EventSource(address + '/rpc/hear?names=browser');
  events.addEventListener('open', () => report('open/' + way));
  events.addEventListener('error', () => report('error/' + way + '/' + events.readyState));
  events.addEventListener('reconnected', () => report('reconnected/' + way));
  events.addEventListener('browser', event => report(
    'event/' + way + '/' + encodeURIComponent(event.data) + '/' + event.lastEventId));
};
hear('nginx', '');
hear('direct', 'http://SERVER');
</script>"#;

/// Chromium, which ends with the test.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        watchdog::forget(self.0.id());
    }
}

fn chromium() -> Option<PathBuf> {
    let path = PathBuf::from("/usr/bin/chromium");
    path.exists().then_some(path)
}

fn browse(program: &PathBuf, address: &str) -> Browser {
    let profile = corerest_tests::server::unused_path("browser");
    std::fs::create_dir_all(&profile).expect("its folder is there");
    let child = Command::new(program)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args(["--disable-dev-shm-usage", "--disable-background-networking"])
        // Without this it would print the page and end.
        .arg("--remote-debugging-port=0")
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(address)
        // It is not told to end, and leaves what it has there.
        .env("TMPDIR", &profile)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it is executable");
    watchdog::watch(child.id());
    Browser(child)
}

#[test]
fn a_browser_hears_events_through_nginx_and_from_another_origin() {
    let Some(program) = chromium() else {
        return eprintln!("There is no Chromium (Debian: chromium), so no browser was tried.");
    };
    let database = database(Cluster::shared());
    let server = start_with(&database, &[]);
    let &Address::Tcp(address) = server.address() else {
        panic!("it listens on a port");
    };
    let page = PAGE.replace("SERVER", &address.to_string());
    let (front, public) = Front::start_for_browsers(address, &page);
    let _browser = browse(&program, &format!("http://{public}/page"));
    let count = |report: &str| {
        let reports = front.reports();
        reports.iter().filter(|line| *line == report).count()
    };
    let await_both = |report: &str, times: usize| {
        until(report, || {
            let ways = ["nginx", "direct"];
            let done = |way: &str| count(&report.replace("WAY", way)) >= times;
            ways.iter().all(|way| done(way))
        });
    };
    await_both("open/WAY", 1);
    notify(&database, "browser", "id: 7\nfirst\nsecond ü");
    await_both("event/WAY/first%0Asecond%20%C3%BC/7", 1);
    // Its connection is away, and comes again: the browser hears of it in the same stream.
    database.run(
        "select pg_terminate_backend(pid) from pg_stat_activity \
         where datname = current_database() and pid <> pg_backend_pid() \
         and query = 'LISTEN \"browser\"'",
    );
    await_both("reconnected/WAY", 1);
    assert_eq!(count("open/nginx"), 1);
    // Streams end, and the browser comes again by itself.
    server.signal(Signal::USR1);
    await_both("error/WAY/0", 1);
    await_both("open/WAY", 2);
    notify(&database, "browser", "again");
    await_both("event/WAY/again/7", 1);
    assert_eq!(count("error/nginx/2") + count("error/direct/2"), 0);
}
