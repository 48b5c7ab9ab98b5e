//! Where the commands of the book are carried out: a folder, a PostgreSQL without anything in it,
//! and a server, once the book has started it.
//!
//! Addresses of the book are replaced by those of this run, and nothing else is.

use crate::page::Block;
use corerest_config::{Config, File, Sources};
use corerest_tests::cluster::{Cluster, programs};
use corerest_tests::waiting::until;
use corerest_tests::{server, watchdog};
use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use yaml_rust2::{Yaml, YamlLoader};

/// Lines that start the server with the configuration that stands before them.
const STARTS: [&str; 2] = ["corerest corerest.conf", "systemctl enable --now corerest"];
/// What the configuration is called on the stage.
const CONFIGURATION: &str = "corerest.conf";

/// A variable that the book's configuration refers to.
const PASSWORD: &str = "DB_PASSWORD";

pub(crate) struct Stage {
    root: PathBuf,
    folder: PathBuf,
    cluster: Cluster,
    /// The database that was made last.
    database: String,
    replacements: Vec<(&'static str, String)>,
    server: Option<Child>,
}

impl Stage {
    pub(crate) fn new(root: &Path) -> Stage {
        let folder = watchdog::folder().join("book");
        let bin = folder.join("bin");
        std::fs::create_dir_all(&bin).expect("the folder is ours");
        // As systemd does it, where the book has a user of that name.
        let program = server::command().get_program().to_owned();
        let script = format!(
            "#!/bin/sh\nPGUSER=corerest exec {} \"$@\"\n",
            program.display()
        );
        let path = bin.join("corerest");
        std::fs::write(&path, script).expect("the folder is ours");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
            .expect("the file is ours");
        let cluster = Cluster::start_empty(&[]);
        let socket = cluster.socket_folder().to_owned();
        // Both at once, so that they are not the same.
        let ports = [free_port(), free_port()];
        let [api, admin] = ports.each_ref().map(|listener| {
            let address = listener.local_addr().expect("it listens");
            address.port().to_string()
        });
        let certificate = folder.join("api.pem");
        Stage {
            root: root.to_owned(),
            replacements: vec![
                ("localhost:3000", format!("127.0.0.1:{api}")),
                ("localhost:3001", format!("127.0.0.1:{admin}")),
                ("server-port = 3000", format!("server-port = {api}")),
                ("server-port = 3001", format!("server-port = {admin}")),
                (
                    "localhost:5432",
                    format!("{}:5432", socket.replace('/', "%2F")),
                ),
                ("/run/postgresql", socket),
                // Of the service's user there is the name: see the program above.
                ("runuser -u corerest -- ", String::new()),
                ("/etc/corerest/corerest.conf", CONFIGURATION.to_owned()),
                (
                    "/etc/ssl/private/api.pem",
                    certificate.display().to_string(),
                ),
            ],
            folder,
            cluster,
            database: String::new(),
            server: None,
        }
    }

    fn replaced(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (of_book, ours) in &self.replacements {
            text = text.replace(of_book, ours);
        }
        text
    }

    /// A program in the folder, which finds our PostgreSQL and no other one.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = self.folder.join("bin");
        let path = format!("{}:{path}:{}", bin.display(), programs().display());
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(&self.folder)
            .env("PATH", path)
            .env("PGHOST", self.cluster.socket_folder())
            .env("PGUSER", "postgres")
            .env(PASSWORD, "change-me")
            .stdin(Stdio::null());
        command
    }

    fn shell(&self, script: &str) -> Output {
        let mut shell = self.command("bash");
        shell.args(["-euo", "pipefail", "-c", &self.replaced(script)]);
        shell.output().expect("there is a bash")
    }

    /// Runs commands. If an answer stands behind them, it has to be theirs, sooner or later: a
    /// reload takes its time.
    pub(crate) fn run(&mut self, block: &Block, answer: Option<&Block>) {
        let made = block
            .text
            .lines()
            .find_map(|line| line.strip_prefix("createdb "));
        self.database = made.map_or(std::mem::take(&mut self.database), str::to_owned);
        let mut last = self.shell(&block.text);
        match answer {
            None => assert!(last.status.success(), "{}: {}", block.place, said(&last)),
            Some(answer) => until(&format!("{}: {}", block.place, said(&last)), || {
                if is_answer(&last, answer) {
                    return true;
                }
                last = self.shell(&block.text);
                false
            }),
        }
    }

    pub(crate) fn sql(&mut self, block: &Block) {
        let script = format!(
            "psql -qX -v ON_ERROR_STOP=1 {} <<'END'\n{}END",
            self.database, block.text
        );
        let output = self.shell(&script);
        succeeded(block, &output);
    }

    pub(crate) fn starts_the_server(&self, block: &Block) -> bool {
        matches!(*block.commands(), [line] if STARTS.contains(&line))
    }

    /// Starts it with the configuration that the book has written last, and waits for it.
    pub(crate) fn start_server(&mut self, block: &Block) {
        self.end();
        let log = std::fs::File::create(self.folder.join("log")).expect("the folder is ours");
        let mut command = self.command(self.folder.join("bin/corerest"));
        let child = command
            .arg(CONFIGURATION)
            .stdout(log.try_clone().expect("there are descriptors"))
            .stderr(log)
            .spawn()
            .expect("it can be started");
        watchdog::watch(child.id());
        self.server = Some(child);
        until(&format!("the server of {}", block.place), || {
            let asked = self.shell(&format!("corerest --ready {CONFIGURATION}"));
            asked.status.success()
        });
    }

    pub(crate) fn end(&mut self) {
        if let Some(mut child) = self.server.take() {
            let _ = child.kill();
            let _ = child.wait();
            watchdog::forget(child.id());
        }
    }

    /// A configuration of ours, a part of a unit, or one of PgBouncer.
    pub(crate) fn configuration(&mut self, block: &Block) {
        if block.text.contains("[Service]") {
            return self.unit(block);
        }
        if block.text.contains("[pgbouncer]") {
            // tests/it/pooler.rs runs one, with a configuration like this.
            return;
        }
        check_configuration(&block.place, &block.text);
        // Others are of machines that are not here.
        if block.text.contains("localhost:5432") || block.text.contains("/run/postgresql") {
            let text = self.replaced(&block.text);
            std::fs::write(self.folder.join(CONFIGURATION), text).expect("the folder is ours");
        }
    }

    /// Our unit with the part of the book in it, if there is a systemd to ask.
    fn unit(&self, block: &Block) {
        let unit = self.root.join("scripts/corerest.service");
        let unit = std::fs::read_to_string(unit).expect("it is there");
        let text =
            format!("{unit}\n{}", block.text).replace("/usr/local/bin/corerest", "/bin/true");
        let file = self.folder.join("postgrest.service");
        std::fs::write(&file, text).expect("the folder is ours");
        let verify = Command::new("systemd-analyze")
            .arg("verify")
            .arg(&file)
            .output();
        if let Ok(output) = verify {
            succeeded(block, &output);
        }
    }

    pub(crate) fn nginx(&self, block: &Block) {
        self.make_certificate();
        // It opens its port to look, and only root may have that one.
        let text = self.replaced(&block.text);
        let text = text.replace("listen 443", &format!("listen unix:{}/door", self.path()));
        let file = self.folder.join("nginx.conf");
        // Its folders are made by a look, too, and its logs are opened.
        let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {}/{what};\n", self.path()))
            .concat();
        let folder = self.path();
        let text = format!(
            "pid {folder}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{folders}{text}}}\n"
        );
        std::fs::write(&file, text).expect("the folder is ours");
        self.ask(
            block,
            &format!("nginx -t -e stderr -p . -c {}", file.display()),
        );
    }

    pub(crate) fn haproxy(&self, block: &Block) {
        self.make_certificate();
        let file = self.folder.join("haproxy.cfg");
        std::fs::write(&file, self.replaced(&block.text)).expect("the folder is ours");
        self.ask(block, &format!("haproxy -c -f {}", file.display()));
    }

    fn path(&self) -> std::path::Display<'_> {
        self.folder.display()
    }

    fn make_certificate(&self) {
        let output = self.shell(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
             -subj /CN=api -keyout key.pem -out certificate.pem && cat key.pem certificate.pem > \
             api.pem",
        );
        assert!(output.status.success(), "{}", said(&output));
    }

    /// A program that looks at a file.
    fn ask(&self, block: &Block, command: &str) {
        // Debian keeps both out of the PATH of ordinary users.
        let output = self.shell(&format!("PATH=$PATH:/usr/sbin; {command}"));
        succeeded(block, &output);
    }

    /// Any YAML; and of Kubernetes' ConfigMaps, what is in them.
    pub(crate) fn yaml(&self, block: &Block) {
        let documents = YamlLoader::load_from_str(&block.text);
        let documents = documents.unwrap_or_else(|error| panic!("{}: {error}", block.place));
        for document in &documents {
            assert!(document.as_hash().is_some(), "{}: no mapping", block.place);
            if let Yaml::String(text) = &document["data"][CONFIGURATION] {
                check_configuration(&block.place, text);
            }
        }
    }
}

fn free_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("there are free ports")
}

/// All of its keys are known, and their values are right.
fn check_configuration(place: &str, text: &str) {
    let file = Some(File { path: place, text });
    let loaded = Config::load(Sources {
        file,
        environment: &[(PASSWORD.to_owned(), "change-me".to_owned())],
        ..Sources::default()
    });
    let loaded = loaded.unwrap_or_else(|error| panic!("{place}: {error}"));
    assert!(loaded.warnings.is_empty(), "{place}: {:?}", loaded.warnings);
}

#[track_caller]
fn succeeded(block: &Block, output: &Output) {
    let is_good = output.status.success();
    assert!(is_good, "{}: {}", block.place, said(output));
}

fn said(output: &Output) -> String {
    let [out, complaints] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    format!("{}\n{out}\n{complaints}", output.status)
}

/// JSON is compared without its spaces, and text has to occur.
fn is_answer(output: &Output, answer: &Block) -> bool {
    let told = String::from_utf8_lossy(&output.stdout);
    let dense = |text: &str| text.split_whitespace().collect::<String>();
    match &*answer.language {
        "json" => dense(&told) == dense(&answer.text),
        _ => told.contains(answer.text.trim()),
    }
}
