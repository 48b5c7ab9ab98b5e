//! The target of a whole process, whose password can change while it runs.

use super::target::Target;
use std::sync::{Arc, PoisonError, RwLock};

/// What everybody connects to.
#[derive(Debug)]
pub struct SharedTarget(RwLock<Arc<Target>>);

impl SharedTarget {
    /// Shares a target.
    pub fn new(target: Target) -> SharedTarget {
        SharedTarget(RwLock::new(Arc::new(target)))
    }

    /// The target as it is now.
    pub fn current(&self) -> Arc<Target> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over the password of another target, for all connections to come, and says whether
    /// that is news.
    pub fn take_password_of(&self, other: &Target) -> bool {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if current.password == other.password {
            return false;
        }
        let mut renewed = Target::clone(&current);
        renewed.password.clone_from(&other.password);
        *current = Arc::new(renewed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Environment;

    #[test]
    fn only_the_password_changes() {
        let target = |text| Target::parse(text, &Environment::default()).expect("it is valid");
        let shared = SharedTarget::new(target("host=a user=u password=old"));
        assert!(!shared.take_password_of(&target("host=b user=v password=old")));
        assert!(shared.take_password_of(&target("host=b user=v password=new")));
        let current = shared.current();
        assert_eq!(current.user(), "u");
        assert!(!shared.take_password_of(&target("host=a user=u password=new")));
    }
}
