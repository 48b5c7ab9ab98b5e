//! The raw results that earlier runs have left in a folder, one file for each scenario.
//!
//! Tables and figures are made of them, so that a scenario that is measured again replaces its
//! own rows and points, and no others.

use std::fs;
use std::io;
use std::path::Path;

use simd_json::OwnedValue;
use simd_json::prelude::{ValueAsArray, ValueAsObject, ValueAsScalar, ValueObjectAccess};

use crate::report::lower_median;

/// The rounds of each contestant of a scenario.
#[derive(Debug)]
pub struct Results(OwnedValue);

impl Results {
    /// Those of a scenario, if it has been measured.
    pub fn load(folder: &Path, scenario: &str) -> io::Result<Option<Self>> {
        let path = folder.join(scenario).with_extension("json");
        if !path.exists() {
            return Ok(None);
        }
        Self::parse(fs::read(&path)?).map(Some)
    }

    /// From the text of a file.
    pub fn parse(mut bytes: Vec<u8>) -> io::Result<Self> {
        let value = simd_json::to_owned_value(&mut bytes);
        value.map(Self).map_err(io::Error::other)
    }

    /// Who took part, in the order of the file.
    pub fn contestants(&self) -> impl Iterator<Item = &str> {
        let object = self.0.as_object();
        object.into_iter().flatten().map(|(name, _)| name.as_ref())
    }

    /// The median of a contestant's rounds.
    #[must_use]
    pub fn median(&self, contestant: &str, number: &str) -> Option<f64> {
        let rounds = self.0.get(contestant)?.as_array()?.iter();
        lower_median(
            rounds
                .filter_map(|round| round.get(number)?.cast_f64())
                .collect(),
        )
    }
}
