//! The metrics, in Prometheus' text format.
//!
//! Whatever is expensive happens here, when somebody asks: the tallies of all threads are summed,
//! and the kernel is asked what the threads have used. PostgREST's metrics keep their names and
//! their help texts; those that it does not have begin with `corerest_`, or have the names that
//! all programs use (`process_…`).
//!
//! Source: PostgREST's documentation, `references/observability` ("Metrics").

use crate::cli::{COMMIT, VERSION};
use crate::log;
use crate::observing::gauges::{CoreGauges, Gauges, ReplicaGauges};
use crate::observing::tally::{BOUNDS_MICROSECONDS, CLASSES, Count, Histogram, METHODS, Tally};
use crate::state::fleet::{Fleet, Replica};
use crate::state::health::{ConfigReloads, Health, Listening, SchemaLoads};
use crate::state::key_board::SourceReport;
use std::fmt::{Display, Write};
use std::time::Duration;

#[derive(Clone, Copy)]
enum Type {
    Counter,
    Gauge,
    Histogram,
}

/// The text in the making.
struct Exposition {
    text: String,
}

/// What they are made of.
pub(super) struct Asked<'a> {
    pub(super) gauges: &'a Gauges,
    pub(super) fleet: &'a Fleet,
    pub(super) health: &'a Health,
    /// What is known of those who publish keys.
    pub(super) keys: &'a [SourceReport],
    /// What `/ready` says, but for cores that are stuck: to look for those takes seconds.
    pub(super) is_ready: bool,
    /// When the process was started, since 1970.
    pub(super) started: Duration,
}

/// All metrics at this moment.
pub(super) fn render(asked: &Asked<'_>) -> String {
    let gauges = asked.gauges;
    let mut out = Exposition {
        text: String::with_capacity(16 << 10),
    };
    write_readiness(&mut out, asked);
    write_schema_cache(&mut out, &asked.health.schema_loads);
    write_config(&mut out, &asked.health.config_reloads);
    write_pool(&mut out, gauges);
    write_replicas(&mut out, gauges, asked.fleet);
    write_jwt_cache(&mut out, gauges);
    write_keys(&mut out, asked.keys);
    write_requests(&mut out, gauges);
    write_clients(&mut out, gauges);
    write_events(&mut out, gauges);
    write_cpu_time(&mut out, gauges);
    write_process(&mut out, asked.started);
    out.text
}

fn write_readiness(out: &mut Exposition, asked: &Asked<'_>) {
    out.single(
        "corerest_ready",
        "Whether the database is there, notifications are heard if they should be, the schema \
         cache is loaded, and the server does not end",
        Type::Gauge,
        u8::from(asked.is_ready),
    );
    let is_connected = match asked.health.listening() {
        Listening::Off => return,
        Listening::Down => 0,
        Listening::Since(_) => 1,
    };
    out.single(
        "corerest_listener_connected",
        "Whether notifications are heard; absent with db-channel-enabled=false",
        Type::Gauge,
        is_connected,
    );
}

fn write_config(out: &mut Exposition, reloads: &ConfigReloads) {
    let name = "corerest_config_reloads_total";
    let help = "How often the configuration was read again, also when PostgreSQL was connected to";
    out.family(name, help, Type::Counter);
    for (status, count) in [("SUCCESS", reloads.succeeded()), ("FAIL", reloads.failed())] {
        out.sample(name, &format!("{{status=\"{status}\"}}"), count);
    }
    out.single(
        "corerest_config_last_reload_successful",
        "Whether what the configuration's sources said last is in effect",
        Type::Gauge,
        u8::from(!reloads.is_outdated()),
    );
}

fn write_schema_cache(out: &mut Exposition, loads: &SchemaLoads) {
    // Parity: PostgREST's help says seconds, and its number is milliseconds; these are seconds.
    let query = loads.query_time();
    out.single(
        "pgrst_schema_cache_query_time_seconds",
        "The query time in seconds of the last schema cache load",
        Type::Gauge,
        query.as_secs_f64(),
    );
    let name = "pgrst_schema_cache_loads_total";
    let help = "The total number of times the schema cache was loaded";
    out.family(name, help, Type::Counter);
    for (status, count) in [("SUCCESS", loads.succeeded()), ("FAIL", loads.failed())] {
        let labels = format!("{{status=\"{status}\"}}");
        // Parity: PostgREST's numbers have a fraction, and its tests want to see it.
        out.sample(name, &labels, format_args!("{count}.0"));
    }
}

fn write_pool(out: &mut Exposition, gauges: &Gauges) {
    // Places that are being connected count as open for a moment, but never less than in use.
    let available = |open: usize, used: usize| open.saturating_sub(used);
    let name = "pgrst_db_pool_timeouts_total";
    let help = "The total number of pool connection timeouts";
    out.sum(name, help, gauges, |tally| &tally.pool_timeouts);
    out.single(
        "pgrst_db_pool_available",
        "Available connections in the pool",
        Type::Gauge,
        gauges
            .cores
            .iter()
            .map(|core| available(core.connections, core.connections_used))
            .sum::<usize>(),
    );
    out.single(
        "pgrst_db_pool_waiting",
        "Requests waiting to acquire a pool connection",
        Type::Gauge,
        gauges.waiting,
    );
    out.single(
        "pgrst_db_pool_max",
        "Max pool connections",
        Type::Gauge,
        gauges
            .cores
            .iter()
            .map(|core| core.connections_max)
            .sum::<usize>(),
    );
    out.per_core(
        "corerest_db_connections",
        "Open connections to PostgreSQL",
        Type::Gauge,
        gauges.cores.iter().map(|core| core.connections),
    );
    out.per_core(
        "corerest_db_connections_in_use",
        "Connections to PostgreSQL that requests are using",
        Type::Gauge,
        gauges.cores.iter().map(|core| core.connections_used),
    );
}

/// What there is to say where there are replicas, and nothing where there are none.
fn write_replicas(out: &mut Exposition, gauges: &Gauges, fleet: &Fleet) {
    let replicas = fleet.replicas();
    if replicas.is_empty() {
        return;
    }
    let label = |replica: &Replica| format!("{{server=\"{}\"}}", replica.name());
    let name = "corerest_replica_up";
    let help = "Whether the replica answers reads: it is there, and within db-replica-max-lag";
    out.family(name, help, Type::Gauge);
    for replica in replicas {
        out.sample(name, &label(replica), u8::from(replica.is_usable()));
    }
    let name = "corerest_replica_lag_seconds";
    let help = "How long the primary has had something that the replica has not; absent if unknown";
    out.family(name, help, Type::Gauge);
    for replica in replicas {
        if let Some(lag) = replica.lag() {
            out.sample(name, &label(replica), lag.as_secs_f64());
        }
    }
    let name = "corerest_replica_left_out_total";
    out.family(name, "How often the replica was left out", Type::Counter);
    for replica in replicas {
        out.sample(name, &label(replica), replica.left_out());
    }
    let of_servers: [(_, _, _, Pick, PickReplica); 3] = [
        (
            "corerest_server_connections",
            "Open connections to each server",
            Type::Gauge,
            |core| core.connections as u64,
            |replica| replica.connections as u64,
        ),
        (
            "corerest_server_connections_in_use",
            "Connections to each server that requests are using",
            Type::Gauge,
            |core| core.connections_used as u64,
            |replica| replica.connections_used as u64,
        ),
        (
            "corerest_server_requests_total",
            "How often requests have asked each server",
            Type::Counter,
            |core| core.asked,
            |replica| replica.asked,
        ),
    ];
    for (name, help, kind, of_primary, of_replica) in of_servers {
        out.family(name, help, kind);
        let primary: u64 = gauges.cores.iter().map(of_primary).sum();
        out.sample(name, "{server=\"primary\"}", primary);
        for (number, replica) in replicas.iter().enumerate() {
            let cores = gauges.cores.iter();
            let count: u64 = cores.map(|core| of_replica(&core.replicas[number])).sum();
            out.sample(name, &label(replica), count);
        }
    }
}

type Pick = fn(&CoreGauges) -> u64;
type PickReplica = fn(&ReplicaGauges) -> u64;

fn write_jwt_cache(out: &mut Exposition, gauges: &Gauges) {
    let name = "pgrst_jwt_cache_requests_total";
    let help = "The total number of JWT cache lookups";
    out.sum(name, help, gauges, |tally| &tally.jwt_requests);
    let name = "pgrst_jwt_cache_hits_total";
    let help = "The total number of JWT cache hits";
    out.sum(name, help, gauges, |tally| &tally.jwt_hits);
    let name = "pgrst_jwt_cache_evictions_total";
    let help = "The total number of JWT cache evictions";
    out.sum(name, help, gauges, |tally| &tally.jwt_evictions);
}

/// Without anybody who publishes keys there are the names alone.
fn write_keys(out: &mut Exposition, sources: &[SourceReport]) {
    let name = "corerest_jwks_fetches_total";
    let help = "How often keys were fetched (jwt-jwks-uri, jwt-issuers), and with which result";
    out.family(name, help, Type::Counter);
    for source in sources {
        for (result, count) in ["changed", "unchanged", "failed"]
            .iter()
            .zip(source.fetches)
        {
            let labels = format!("{{source={},result=\"{result}\"}}", label(&source.name));
            out.sample(name, &labels, count);
        }
    }
    let name = "corerest_jwks_age_seconds";
    let help = "How long ago keys were fetched with success; absent before the first time";
    out.family(name, help, Type::Gauge);
    for source in sources {
        if let Some(age) = source.age {
            let labels = format!("{{source={}}}", label(&source.name));
            out.sample(name, &labels, age.as_secs_f64());
        }
    }
    let name = "corerest_jwks_keys";
    let help = "Keys that verify tokens, of those that were fetched";
    out.family(name, help, Type::Gauge);
    for source in sources {
        let labels = format!("{{source={}}}", label(&source.name));
        out.sample(name, &labels, source.keys);
    }
}

/// The value of a label, as Prometheus' format has it.
fn label(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", value.replace('\n', "\\n"))
}

fn write_requests(out: &mut Exposition, gauges: &Gauges) {
    let mut counts = [[0; CLASSES.len()]; METHODS.len()];
    let mut answered = 0;
    for (method, class, count) in tallies(gauges).flat_map(Tally::requests) {
        counts[method][class] += count;
        answered += count;
    }
    // Read after those that were answered: a request must not seem to end before it began.
    let begun = total(gauges, |tally| &tally.begun);
    let name = "corerest_http_requests_total";
    out.family(name, "Requests answered", Type::Counter);
    for (method, classes) in METHODS.iter().zip(counts) {
        for (class, count) in CLASSES.iter().zip(classes) {
            // Of the forty combinations a few occur, and an absent one counts as 0.
            if count > 0 || (*method, *class) == ("GET", "2xx") {
                let labels = format!("{{method=\"{method}\",status=\"{class}\"}}");
                out.sample(name, &labels, count);
            }
        }
    }
    out.single(
        "corerest_http_requests_in_flight",
        "Requests begun and not yet answered, waiting ones among them",
        Type::Gauge,
        begun.saturating_sub(answered),
    );
    let name = "corerest_http_refused_total";
    let help = "Clients refused because what they sent was no acceptable request";
    out.sum(name, help, gauges, |tally| &tally.refused);
    let name = "corerest_requests_cancelled_total";
    let help = "Reads given up because their clients had gone away";
    out.sum(name, help, gauges, |tally| &tally.cancelled);
    let name = "corerest_requests_together_total";
    let help = "Quick reads, and calls of functions that change nothing, that were sent to \
                PostgreSQL together with others, in one flight";
    out.sum(name, help, gauges, |tally| &tally.together);
    let name = "corerest_responses_cut_off_total";
    let help = "Responses that were begun and could not be brought to their end";
    out.sum(name, help, gauges, |tally| &tally.cut_off);
    write_durations(out, gauges);
}

fn write_durations(out: &mut Exposition, gauges: &Gauges) {
    let name = "corerest_http_request_duration_seconds";
    let help = "From the last byte of a request until its response was written";
    out.histogram(name, help, tallies(gauges).map(|tally| &tally.total));
    let name = "corerest_db_wait_duration_seconds";
    let help = "How long requests waited for a connection to PostgreSQL";
    out.histogram(name, help, tallies(gauges).map(|tally| &tally.waiting));
    let name = "corerest_db_duration_seconds";
    let help = "How long PostgreSQL took, with its connection in hand";
    out.histogram(name, help, tallies(gauges).map(|tally| &tally.database));
}

fn write_clients(out: &mut Exposition, gauges: &Gauges) {
    let name = "corerest_clients";
    let clients = gauges.cores.iter().map(|core| core.clients);
    out.per_core(name, "Clients that are connected", Type::Gauge, clients);
    out.single(
        "corerest_clients_max",
        "How many clients there may be, by server-max-connections and the limit of open files",
        Type::Gauge,
        gauges.clients_max,
    );
    out.single(
        "corerest_clients_evicted_total",
        "Idle clients that were closed for new ones, because all places were taken",
        Type::Counter,
        gauges.clients_evicted,
    );
    out.single(
        "corerest_slow_readers",
        "Connections to PostgreSQL that wait for clients to take their answers",
        Type::Gauge,
        gauges.slow_readers,
    );
    out.single(
        "corerest_spool_bytes",
        "Bytes of answers in files, because their clients take them slowly",
        Type::Gauge,
        gauges.spool_bytes,
    );
    out.single(
        "corerest_spool_max_bytes",
        "How many there may be, by server-max-spool-bytes; 0 if no file can be made",
        Type::Gauge,
        gauges.spool_bytes_max,
    );
    out.single(
        "corerest_client_memory_bytes",
        "Bytes of requests and answers that clients make the server hold",
        Type::Gauge,
        gauges.memory_bytes,
    );
    out.single(
        "corerest_client_memory_max_bytes",
        "How many there may be, by server-max-memory",
        Type::Gauge,
        gauges.memory_bytes_max,
    );
    out.single(
        "corerest_client_memory_refusals_total",
        "How often there was no memory for a client, because the others held it",
        Type::Counter,
        gauges.memory_refusals,
    );
    let name = "corerest_http_received_bytes_total";
    let help = "Bytes received from clients";
    out.sum(name, help, gauges, |tally| &tally.received);
    let name = "corerest_http_sent_bytes_total";
    let help = "Bytes sent to clients";
    out.sum(name, help, gauges, |tally| &tally.sent);
}

fn write_events(out: &mut Exposition, gauges: &Gauges) {
    if let Some(is_listening) = gauges.listening {
        out.single(
            "corerest_event_listener_connected",
            "Whether what clients hear is listened to; absent with server-events-enabled=false",
            Type::Gauge,
            u8::from(is_listening),
        );
    }
    let name = "corerest_event_streams";
    let streams = gauges.cores.iter().map(|core| core.streams);
    out.per_core(name, "Clients that hear events", Type::Gauge, streams);
    out.single(
        "corerest_event_streams_max",
        "How many there may be: three quarters of the clients that may be connected",
        Type::Gauge,
        gauges.streams_max,
    );
    out.single(
        "corerest_event_channels",
        "Channels that are listened to for clients",
        Type::Gauge,
        gauges.channels,
    );
    let name = "corerest_events_sent_total";
    let help = "Events sent to clients, counted for each of them";
    out.sum(name, help, gauges, |tally| &tally.events);
    let name = "corerest_event_streams_dropped_total";
    let help = "Streams of events that were cut off because their clients did not take them";
    out.sum(name, help, gauges, |tally| &tally.deaf);
}

fn write_cpu_time(out: &mut Exposition, gauges: &Gauges) {
    let count = gauges.cores.len();
    let name = "corerest_core_cpu_seconds_total";
    out.per_core(
        name,
        "CPU time that the threads of a core have used",
        Type::Counter,
        usage::cpu_seconds_of_cores(count).into_iter(),
    );
}

/// Names and help texts are those of Prometheus' own client libraries.
fn write_process(out: &mut Exposition, started: Duration) {
    out.single(
        "process_cpu_seconds_total",
        "Total user and system CPU time spent in seconds.",
        Type::Counter,
        usage::cpu_seconds(),
    );
    if let Some(bytes) = usage::resident_bytes() {
        let help = "Resident memory size in bytes.";
        out.single("process_resident_memory_bytes", help, Type::Gauge, bytes);
    }
    out.single(
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.",
        Type::Gauge,
        started.as_secs_f64(),
    );
    if let Some(count) = usage::open_descriptors() {
        let help = "Number of open file descriptors.";
        out.single("process_open_fds", help, Type::Gauge, count);
    }
    if let Some(count) = usage::descriptors_max() {
        let help = "Maximum number of open file descriptors.";
        out.single("process_max_fds", help, Type::Gauge, count);
    }
    out.single(
        "corerest_log_lines_lost_total",
        "Lines of the log that were lost because they were not read in time",
        Type::Counter,
        log::lines_lost(),
    );
    let name = "corerest_build_info";
    out.family(name, "The version that is running", Type::Gauge);
    out.sample(name, &build_labels(VERSION, COMMIT), 1);
}

/// Without a commit that is known there is no such label, which Prometheus takes for an empty one.
fn build_labels(version: &str, commit: Option<&str>) -> String {
    let commit = commit.map_or_else(String::new, |commit| format!(",commit=\"{commit}\""));
    format!("{{version=\"{version}\"{commit}}}")
}

fn tallies(gauges: &Gauges) -> impl Iterator<Item = &Tally> {
    let tallies = gauges
        .cores
        .iter()
        .flat_map(|core: &CoreGauges| &core.tallies);
    tallies.map(|tally| &**tally)
}

fn total(gauges: &Gauges, pick: fn(&Tally) -> &Count) -> u64 {
    tallies(gauges).map(|tally| pick(tally).read()).sum()
}

impl Exposition {
    fn family(&mut self, name: &str, help: &str, kind: Type) {
        let kind = match kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        };
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        self.line(format_args!("{name}{labels} {value}"));
    }

    fn single(&mut self, name: &str, help: &str, kind: Type, value: impl Display) {
        self.family(name, help, kind);
        self.sample(name, "", value);
    }

    /// A counter that all threads have a part of.
    fn sum(&mut self, name: &str, help: &str, gauges: &Gauges, pick: fn(&Tally) -> &Count) {
        self.single(name, help, Type::Counter, total(gauges, pick));
    }

    fn per_core<V: Display>(
        &mut self,
        name: &str,
        help: &str,
        kind: Type,
        values: impl Iterator<Item = V>,
    ) {
        self.family(name, help, kind);
        for (core, value) in values.enumerate() {
            self.sample(name, &format!("{{core=\"{core}\"}}"), value);
        }
    }

    fn histogram<'a>(
        &mut self,
        name: &str,
        help: &str,
        parts: impl Iterator<Item = &'a Histogram>,
    ) {
        let mut buckets = [0; BOUNDS_MICROSECONDS.len() + 1];
        let mut seconds = 0.0;
        for part in parts {
            seconds += part.seconds();
            for (bucket, count) in buckets.iter_mut().zip(part.buckets()) {
                *bucket += count;
            }
        }
        self.family(name, help, Type::Histogram);
        let mut count: u64 = 0;
        for (index, bucket) in buckets.iter().enumerate() {
            count += bucket;
            let bound = match BOUNDS_MICROSECONDS.get(index) {
                Some(microseconds) => (*microseconds as f64 / 1e6).to_string(),
                None => "+Inf".to_owned(),
            };
            let labels = format!("{{le=\"{bound}\"}}");
            self.sample(&format!("{name}_bucket"), &labels, count);
        }
        self.sample(&format!("{name}_sum"), "", seconds);
        self.sample(&format!("{name}_count"), "", count);
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.text.write_fmt(line);
        self.text.push('\n');
    }
}

/// What the kernel knows about this process. Where it cannot be asked, since there is no file
/// descriptor left, it is as if nothing had been used, but for those descriptors.
mod usage {
    use rustix::io::Errno;
    use rustix::process::{Resource, getrlimit};
    use rustix::time::{ClockId, clock_gettime};
    use std::fs;

    /// CPU time of the process.
    pub(super) fn cpu_seconds() -> f64 {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    }

    /// Resident memory.
    pub(super) fn resident_bytes() -> Option<u64> {
        let pages = fs::read_to_string("/proc/self/statm").ok()?;
        let pages: u64 = pages.split(' ').nth(1)?.parse().ok()?;
        Some(pages * rustix::param::page_size() as u64)
    }

    /// File descriptors in use, without the one that it takes to find out.
    pub(super) fn open_descriptors() -> Option<u64> {
        match fs::read_dir("/proc/self/fd") {
            Ok(descriptors) => (descriptors.count() as u64).checked_sub(1),
            // That there is none left is known without looking.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::MFILE) => descriptors_max(),
            Err(_) => None,
        }
    }

    /// File descriptors that there may be.
    pub(super) fn descriptors_max() -> Option<u64> {
        getrlimit(Resource::Nofile).current
    }

    /// CPU time of each core's threads, which are named `core<index>-<number>`.
    pub(super) fn cpu_seconds_of_cores(count: usize) -> Vec<f64> {
        let mut seconds = vec![0.0; count];
        for thread in fs::read_dir("/proc/self/task")
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = thread.path();
            let read = |file| fs::read_to_string(path.join(file)).ok();
            let core = read("comm").and_then(|name| core_of_thread(&name));
            if let Some(total) = core.and_then(|core| seconds.get_mut(core)) {
                *total += read("schedstat").map_or(0.0, |line| seconds_of(&line));
            }
        }
        seconds
    }

    fn core_of_thread(name: &str) -> Option<usize> {
        let (core, _) = name.strip_prefix("core")?.split_once('-')?;
        core.parse().ok()
    }

    /// The first number of `schedstat` is nanoseconds on a CPU.
    fn seconds_of(schedstat: &str) -> f64 {
        let nanoseconds = schedstat.split(' ').next();
        let nanoseconds = nanoseconds.and_then(|number| number.parse::<f64>().ok());
        nanoseconds.unwrap_or(0.0) / 1e9
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn threads_belong_to_cores_by_their_names() {
            assert_eq!(core_of_thread("core12-3\n"), Some(12));
            assert_eq!(core_of_thread("control\n"), None);
            assert!((seconds_of("1500000000 7 3\n") - 1.5).abs() < 1e-9);
            assert!(cpu_seconds() > 0.0);
            assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
            let descriptors = open_descriptors().zip(descriptors_max());
            assert!(descriptors.is_some_and(|(open, max)| 2 < open && open < max));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_build_has_the_label_of_its_commit_if_that_is_known() {
        assert_eq!(build_labels("1.2.3", None), r#"{version="1.2.3"}"#);
        let known = build_labels("1.2.3", Some("abc1234"));
        assert_eq!(known, r#"{version="1.2.3",commit="abc1234"}"#);
    }

    #[test]
    fn a_label_may_be_any_text() {
        assert_eq!(label("a\\b\"c\nd"), r#""a\\b\"c\nd""#);
    }

    #[test]
    fn a_histogram_is_cumulative_and_in_seconds() {
        let (one, other) = (Histogram::default(), Histogram::default());
        one.record(Duration::from_micros(50));
        one.record(Duration::from_millis(3));
        other.record(Duration::from_secs(20));
        let mut out = Exposition {
            text: String::new(),
        };
        out.histogram("x", "What it is", [&one, &other].into_iter());
        let lines: Vec<&str> = out.text.lines().collect();
        assert_eq!(lines[0], "# HELP x What it is");
        assert_eq!(lines[1], "# TYPE x histogram");
        assert_eq!(lines[2], "x_bucket{le=\"0.0001\"} 1");
        assert_eq!(lines[6], "x_bucket{le=\"0.0025\"} 1");
        assert_eq!(lines[7], "x_bucket{le=\"0.005\"} 2");
        assert_eq!(lines[17], "x_bucket{le=\"10\"} 2");
        assert_eq!(lines[18], "x_bucket{le=\"+Inf\"} 3");
        assert_eq!(lines[19], "x_sum 20.00305");
        assert_eq!(lines[20], "x_count 3");
    }
}
