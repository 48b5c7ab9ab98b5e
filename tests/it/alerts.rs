//! What is asked of the metrics by those who look at them: the dashboard for Grafana and the alert
//! rules for Prometheus ask for what there is, and Prometheus' own tool (promtool, of Debian's
//! package prometheus) finds metrics and rules right. Where that is missing, it is left out.

use corerest_tests::client::request;
use corerest_tests::cluster::Cluster;
use corerest_tests::server::Server;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

fn script(name: &str) -> String {
    format!("{}/../scripts/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn text(name: &str) -> String {
    std::fs::read_to_string(script(name)).expect("it is in the repository")
}

/// The names of metrics in a text.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|part: char| !part.is_ascii_alphanumeric() && part != '_');
    let prefixes = ["pgrst_", "corerest_", "process_"];
    words
        .filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix)))
        .collect()
}

/// What Prometheus' tool says to these arguments and this input, if there is one.
#[track_caller]
fn check_with_promtool(arguments: &[&str], input: &str) {
    let mut command = Command::new("promtool");
    command.args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut promtool) = command.stderr(Stdio::piped()).spawn() else {
        return;
    };
    let mut pipe = promtool.stdin.take().expect("it is a pipe");
    // One that needs no input may have ended by now.
    let _ = pipe.write_all(input.as_bytes());
    drop(pipe);
    let output = promtool.wait_with_output().expect("it was started");
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(output.status.success(), "{arguments:?}: {told}");
}

#[test]
fn dashboard_and_alerts_ask_for_metrics_that_there_are() {
    let mut dashboard = text("grafana-dashboard.json").into_bytes();
    simd_json::to_owned_value(&mut dashboard).expect("it is JSON");
    let database = Cluster::shared().database();
    // A primary will do for a replica.
    let server = Server::start(&database, &[("db-uri-read-replicas", &database.uri())]);
    let answer = server.admin().get("/metrics");
    // Not all of them have samples: nobody publishes keys here.
    let families = answer
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let mut known = BTreeSet::new();
    for (name, kind) in families.filter_map(|family| family.split_once(' ')) {
        known.insert(name.to_owned());
        if kind == "histogram" {
            known.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
        }
    }
    for (file, at_least) in [("grafana-dashboard.json", 20), ("alerts.yml", 15)] {
        let text = text(file);
        let asked = metrics_in(&text);
        let missing: Vec<_> = asked
            .iter()
            .filter(|name| !known.contains(**name))
            .collect();
        assert!(missing.is_empty(), "{file}: there is no {missing:?}");
        assert!(asked.len() > at_least, "{file}: {asked:?}");
    }
    server.stop();
}

#[test]
fn prometheus_takes_the_metrics_without_a_complaint() {
    let settings = [("db-pool", "2")];
    let server = Server::start(&Cluster::shared().database(), &settings);
    let mut client = server.client();
    for target in ["/plants", "/nowhere"] {
        client.send(request("GET", target, &[]));
        client.read("GET");
    }
    let answer = server.admin().get("/metrics");
    check_with_promtool(&["check", "metrics"], answer.text());
    server.stop();
}

#[test]
fn each_alert_fires_when_it_should_and_only_then() {
    check_with_promtool(&["check", "rules", &script("alerts.yml")], "");
    check_with_promtool(&["test", "rules", &script("alerts-test.yml")], "");
}

/// Promtool would not miss a rule that no test has.
#[test]
fn each_alert_has_a_test_and_says_what_to_do() {
    let (rules, tests) = (text("alerts.yml"), text("alerts-test.yml"));
    let rules: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(rules.len() > 10, "{}", rules.len());
    for rule in rules {
        let name = rule.lines().next().expect("it has a name");
        let fires = format!("alertname=\"{name}\"");
        assert!(tests.contains(&fires), "{name} is not tested");
        for part in ["severity: ", "summary: ", "description: ", "action: "] {
            assert!(rule.contains(part), "{name} has no {part}");
        }
    }
}
