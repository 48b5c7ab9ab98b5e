//! What requests are answered from.

use super::shape::Shapes;
use crate::catalog::Catalog;
use crate::role_settings::RoleSettings;
use corerest_config::Config;

/// What a request is answered from: one snapshot of the configuration and the catalog.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The catalog; `None` until it has been loaded for the first time.
    pub catalog: Option<&'a Catalog>,
    /// The settings of the roles that requests run as.
    pub role_settings: &'a RoleSettings,
    /// The shapes of requests that were planned with these before; `None` to plan each anew.
    pub shapes: Option<&'a Shapes>,
}
