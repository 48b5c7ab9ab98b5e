//! What is wrong with the replicas: whether each can be reached, is one, belongs to the cluster of
//! the primary, and keeps up with it.

use super::finding::Finding;
use crate::boot;
use crate::control::conversation::{Conversation, LoadError, not_decoded};
use corerest_api::{Standing, ask_standing, decode_standing};
use corerest_config::Config;

const KEY: &str = "db-uri-read-replicas";

/// A replica that lacks more than this is behind, and not only on its way: a file of the log.
const BEHIND_BYTES: u64 = 16 << 20;

/// How the server stands that a conversation is with.
///
/// # Errors
/// If it cannot tell.
pub(super) fn standing(conversation: &mut Conversation) -> Result<Standing, LoadError> {
    let mut document = conversation.ask(&ask_standing())?;
    decode_standing(&mut document).map_err(not_decoded)
}

/// Looks at each of them, beside the primary.
pub(super) fn look_at(
    config: &Config,
    primary: &Standing,
    plain: fn(LoadError) -> String,
) -> Vec<Finding> {
    let targets = match boot::replica_targets(config) {
        Ok(targets) => targets,
        Err(error) => return vec![Finding::error(KEY, error.to_string())],
    };
    let mut findings = Vec::new();
    if primary.recovers {
        let message = "It leads to a standby, and writes need a primary.";
        findings.push(Finding::error("db-uri", message));
    }
    for target in targets {
        let name = target.hosts();
        let asked = Conversation::begin(&target, None)
            .and_then(|(mut conversation, _)| standing(&mut conversation));
        findings.extend(match asked {
            Ok(replica) => judge(&name, primary, &replica),
            Err(error) => {
                let message = format!("{name} cannot be asked: {}", plain(error));
                Some(Finding::error(KEY, message))
            }
        });
    }
    findings
}

fn judge(name: &str, primary: &Standing, replica: &Standing) -> Option<Finding> {
    if replica.system != primary.system {
        let message = format!("{name} is a part of another cluster, and is asked for nothing.");
        return Some(Finding::error(KEY, message));
    }
    if !replica.recovers {
        let message = format!("{name} is no standby: what it reads, the primary does.");
        return Some(Finding::warning(KEY, message));
    }
    let missing = primary.lsn.saturating_sub(replica.lsn);
    (missing > BEHIND_BYTES).then(|| {
        let message = format!("{name} is behind the primary by {missing} bytes of its log.");
        Finding::warning(KEY, message)
            .remedy("It answers reads when it is within db-replica-max-lag.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(system: &str, recovers: bool, lsn: u64) -> Standing {
        Standing {
            system: system.to_owned(),
            recovers,
            lsn,
            end: lsn,
            timeline: 1,
        }
    }

    #[test]
    fn a_replica_belongs_to_its_primary_follows_it_and_keeps_up() {
        let primary = standing("7", false, 100 << 20);
        let found = |replica: Standing| {
            let finding = judge("a:5432", &primary, &replica);
            finding.map(|finding| finding.message)
        };
        assert_eq!(found(standing("7", true, 99 << 20)), None);
        let texts = [
            (standing("8", true, 100 << 20), "another cluster"),
            (standing("7", false, 100 << 20), "no standby"),
            (
                standing("7", true, 50 << 20),
                "behind the primary by 52428800 bytes",
            ),
        ];
        for (replica, text) in texts {
            let message = found(replica).expect("something is wrong");
            assert!(message.contains(text), "{message}");
        }
    }
}
