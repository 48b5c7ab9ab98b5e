//! A conversation of the control plane with PostgreSQL: statements one batch at a time, until
//! there is an answer or no hope of one.
//!
//! A catalog can take minutes, so a server that says nothing may be at work, or may never say
//! anything again. A [`Witness`] tells which, if there is one: it asks over another connection.
//! Without one, silence is loss.
//!
//! Invariant: every exchange ends: after [`ANSWER_MAX`] of silence without a witness, after
//! [`UNWITNESSED_MAX`] when nobody can be asked, and after [`UNCERTAIN_MAX`] when nobody can tell.

use crate::log;
use corerest_api::{DatabaseError, DecodeError, Error as ApiError, OneDocument, PgVersion};
use corerest_api::{ask_version, decode_version};
use corerest_config::ErrorVerbosity;
use corerest_pg::connect::{self, ConnectError, OpenOptions, Target};
use corerest_pg::{
    Connection, Error, NOTED_AFTER, Preparation, Reply, RequestBody, Silences,
    is_out_of_connections,
};
use corerest_sql::Statement;
use corerest_wire::pg::ServerError;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// How long a server may say nothing that is asked what takes no time.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How long it may say nothing while nobody can be asked whether it is there.
const UNWITNESSED_MAX: Duration = Duration::from_secs(30);

/// How long it may say nothing when the others know nothing about it, as behind a pooler.
const UNCERTAIN_MAX: Duration = Duration::from_secs(300);

/// How much room there is for the next part of a document.
const TAKEN_AT_ONCE_BYTES: usize = 64 << 10;

/// What is said of a connection that had broken before.
pub(crate) const GONE: &str = "no connection to the server";

/// Who can tell whether the servers of silent connections are at work.
pub(crate) trait Witness: Send + Sync {
    /// Where silent connections are noted.
    fn silences(&self) -> &Arc<Silences>;

    /// Asks about them. Those that wait in vain are closed.
    fn testify(&self, about: &Connection) -> Testimony;
}

/// What a witness says about one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Testimony {
    /// Its server is at work.
    Works,
    /// There are servers, but they do not know it, or do not tell.
    Uncertain,
    /// There is nobody to ask.
    Unwitnessed,
}

/// A conversation.
pub(crate) struct Conversation {
    connection: Connection,
    witness: Option<Arc<dyn Witness>>,
}

/// How long a server may take that nobody else can be asked about.
#[derive(Clone, Copy)]
struct Patience {
    connecting: Duration,
    answer: Duration,
}

/// Why something could not be loaded.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// PostgreSQL could not be reached.
    Connect(ConnectError),
    /// The connection broke.
    Query(Box<Error>),
    /// The connection had broken before.
    Gone,
    /// PostgreSQL refused the query.
    Server(ServerError),
    /// PostgreSQL answered with something else.
    Decode(String),
    /// PostgreSQL has said nothing for so long.
    Silent(Duration),
}

impl Conversation {
    /// Connects, and finds out to what.
    ///
    /// # Errors
    /// If PostgreSQL cannot be reached, refuses, or does not answer.
    pub(crate) fn begin(
        target: &Target,
        witness: Option<Arc<dyn Witness>>,
    ) -> Result<(Conversation, PgVersion), LoadError> {
        Conversation::begin_on(target, witness, 0)
    }

    /// The same with a primary that is on this timeline or a newer one, or with a standby.
    ///
    /// # Errors
    /// As [`begin`](Conversation::begin).
    pub(crate) fn begin_on(
        target: &Target,
        witness: Option<Arc<dyn Witness>>,
        timeline_min: u32,
    ) -> Result<(Conversation, PgVersion), LoadError> {
        let patience = Patience {
            connecting: CONNECT_MAX,
            answer: ANSWER_MAX,
        };
        Conversation::begin_with(target, witness, timeline_min, patience)
    }

    /// The same with a server that is left alone when it says nothing for so long.
    ///
    /// # Errors
    /// As [`begin`](Conversation::begin).
    pub(crate) fn begin_shortly(
        target: &Target,
        patience: Duration,
    ) -> Result<(Conversation, PgVersion), LoadError> {
        let patience = Patience {
            connecting: patience,
            answer: patience,
        };
        Conversation::begin_with(target, None, 0, patience)
    }

    fn begin_with(
        target: &Target,
        witness: Option<Arc<dyn Witness>>,
        timeline_min: u32,
        patience: Patience,
    ) -> Result<(Conversation, PgVersion), LoadError> {
        let options = OpenOptions {
            attempt_timeout: patience.connecting,
            asks_identity: true,
            timeline_min,
        };
        let session = connect::open(target, &options).map_err(LoadError::Connect)?;
        session
            .warnings
            .iter()
            .for_each(|warning| log::warn(warning));
        let mut connection = Connection::new(session, Preparation::Unnamed);
        match &witness {
            Some(witness) => {
                connection.note_silence_in(Arc::clone(witness.silences()));
                connection.tell_silence(NOTED_AFTER);
                connection.set_patience(UNWITNESSED_MAX);
            }
            None => connection.set_patience(patience.answer),
        }
        let mut conversation = Conversation {
            connection,
            witness,
        };
        let mut document = conversation.ask(&ask_version())?;
        let version = decode_version(&mut document).map_err(not_decoded)?;
        Ok((conversation, version))
    }

    /// Whether it is with a standby, if that was said.
    pub(crate) fn is_with_standby(&self) -> bool {
        self.connection.is_with_standby()
    }

    /// The connection.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// The one document that is asked for.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn ask(&mut self, question: &OneDocument) -> Result<Vec<u8>, LoadError> {
        let documents = self.execute(question.statements(), Some(question.asks()))?;
        match <[Vec<u8>; 1]>::try_from(documents) {
            Ok([document]) => Ok(document),
            Err(documents) => Err(LoadError::Decode(format!(
                "{} rows came where one was asked for",
                documents.len()
            ))),
        }
    }

    /// Executes statements, and returns the last column of each row of one of them.
    ///
    /// # Errors
    /// If one fails, or the connection does.
    pub(crate) fn execute(
        &mut self,
        statements: &[Statement],
        wanted: Option<usize>,
    ) -> Result<Vec<Vec<u8>>, LoadError> {
        if self.connection.is_broken() {
            return Err(LoadError::Gone);
        }
        self.connection.send(statements, RequestBody::NONE)?;
        let mut documents = Vec::new();
        let mut failed = None;
        let mut last_sign = Instant::now();
        loop {
            let Some(reply) = self.connection.next_reply_if_soon()? else {
                last_sign = self.on_silence(last_sign)?;
                continue;
            };
            last_sign = Instant::now();
            match reply {
                Reply::Row(row) if Some(row.statement) == wanted => {
                    documents.push(self.take_document()?);
                }
                Reply::Row(_) | Reply::Settled => {}
                Reply::Failed(error) => failed = Some(error),
                Reply::Done => {
                    return failed.map_or(Ok(documents), |e| Err(LoadError::Server(e)));
                }
            }
            if self.connection.is_broken() {
                return failed.map_or(Err(LoadError::Gone), |e| Err(LoadError::Server(e)));
            }
        }
    }

    /// Takes the document as it comes: PostgreSQL sends what fills a buffer, and the rest when the
    /// whole batch is done.
    fn take_document(&mut self) -> Result<Vec<u8>, LoadError> {
        let mut document = Vec::new();
        let mut last_sign = Instant::now();
        while self.connection.body_bytes_left() > 0 {
            if self.connection.has_more_soon()? {
                document.reserve(TAKEN_AT_ONCE_BYTES);
                self.connection.take_body(&mut document, 1)?;
                last_sign = Instant::now();
            } else {
                last_sign = self.on_silence(last_sign)?;
            }
        }
        Ok(document)
    }

    /// The server says nothing. Returns when there was the last sign of it, or gives up.
    fn on_silence(&mut self, last_sign: Instant) -> Result<Instant, LoadError> {
        let Some(witness) = &self.witness else {
            return Ok(last_sign);
        };
        self.connection.note_silence();
        let at_most = match witness.testify(&self.connection) {
            Testimony::Works => return Ok(Instant::now()),
            Testimony::Uncertain => UNCERTAIN_MAX,
            Testimony::Unwitnessed => UNWITNESSED_MAX,
        };
        let silent_for = last_sign.elapsed();
        if silent_for >= at_most {
            return Err(LoadError::Silent(silent_for));
        }
        Ok(last_sign)
    }
}

pub(crate) fn not_decoded(error: DecodeError) -> LoadError {
    LoadError::Decode(error.to_string())
}

impl From<Error> for LoadError {
    fn from(error: Error) -> LoadError {
        LoadError::Query(Box::new(error))
    }
}

impl LoadError {
    /// Whether only a change of the configuration can help.
    pub(crate) fn is_permanent(&self) -> bool {
        matches!(self, LoadError::Connect(error) if error.is_permanent())
    }

    /// Whether a connection that there was is lost.
    pub(crate) fn is_loss(&self) -> bool {
        match self {
            LoadError::Query(_) | LoadError::Gone | LoadError::Silent(_) => true,
            LoadError::Connect(_) | LoadError::Server(_) | LoadError::Decode(_) => false,
        }
    }

    /// Whether PostgreSQL was there, and would not be talked to.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            LoadError::Connect(error) => error.server_error().is_some(),
            _ => self.is_answer(),
        }
    }

    /// Whether PostgreSQL was there, and had all the connections that it may have.
    pub(crate) fn is_for_want_of_room(&self) -> bool {
        matches!(self, LoadError::Connect(error) if is_out_of_connections(error))
    }

    /// Whether PostgreSQL was there.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, LoadError::Server(_) | LoadError::Decode(_))
    }

    /// What clients would be told, as the log shows it.
    pub(crate) fn json(&self) -> String {
        let response = self.api_error().response(ErrorVerbosity::Verbose);
        String::from_utf8_lossy(&response.body).into_owned()
    }

    fn api_error(&self) -> ApiError {
        match self {
            LoadError::Connect(error) => ApiError::DatabaseConnection {
                details: Some(error.message()),
            },
            LoadError::Query(error) => ApiError::DatabaseClient {
                details: Some(error.to_string()),
            },
            LoadError::Gone => ApiError::DatabaseClient {
                details: Some(GONE.to_owned()),
            },
            LoadError::Server(error) => ApiError::Database(DatabaseError {
                code: error.code.clone(),
                message: error.message.clone(),
                detail: error.detail.clone(),
                hint: error.hint.clone(),
                authenticated: false,
            }),
            LoadError::Silent(time) => ApiError::DatabaseClient {
                details: Some(silent_text(*time)),
            },
            LoadError::Decode(text) => ApiError::Internal {
                details: text.clone(),
            },
        }
    }
}

/// What is said of a server that has said nothing for so long.
pub(crate) fn silent_text(time: Duration) -> String {
    format!("the server has said nothing for {} s", time.as_secs())
}
