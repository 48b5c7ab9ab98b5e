//! What the database says about itself: the catalog, and the shorter documents beside it.
//!
//! Properties: nothing panics, whatever the document; a catalog that was made of one can be shown,
//! as JSON, and is the same when it is made again.

use corerest_api::{
    decode_backends, decode_catalog, decode_database_config, decode_role_settings, decode_version,
};

/// Documents to start from; the first byte says which one it is.
pub(crate) const CATALOG_SEEDS: &[&[u8]] = &[
    concat!("\u{0}", include_str!("seeds/catalog.json")).as_bytes(),
    b"\x01[[\"db-schemas\",\"a, b\"],[\"app.settings.x\",\"1\"]]",
    b"\x02[[\"author\",\"statement_timeout\",\"1s\"],[\"author\",\"default_transaction_i\
      solation\",\"serializable\"]]",
    b"\x03[{\"pid\":1,\"started\":2.5,\"state\":\"active\"}]",
    b"\x04{\"version_number\":150018,\"version\":\"15.18\",\"full_version\":\"PostgreSQ\
      L 15.18\",\"default_isolation\":\"read committed\",\"default_read_only\":false}",
];

/// The first byte chooses the document.
pub fn catalog(data: &[u8]) {
    let [choice, document @ ..] = data else {
        return;
    };
    let copy = || document.to_vec();
    match choice % 5 {
        0 => check_catalog(document),
        1 => drop(decode_database_config(&mut copy())),
        2 => drop(decode_role_settings(&mut copy())),
        3 => drop(decode_backends(&mut copy())),
        _ => drop(decode_version(&mut copy())),
    }
}

fn check_catalog(document: &[u8]) {
    let dump = || {
        let catalog = decode_catalog(&mut document.to_vec()).ok()?;
        Some(catalog.dump(&["statement_timeout".to_owned()]))
    };
    let Some(first) = dump() else {
        return;
    };
    assert_eq!(dump().as_ref(), Some(&first));
    let mut copy = first.clone().into_bytes();
    let value = simd_json::to_borrowed_value(&mut copy);
    assert!(value.is_ok(), "{first}");
}

#[cfg(test)]
mod tests {
    use super::{CATALOG_SEEDS, catalog};

    #[test]
    fn any_document_is_refused_or_becomes_a_catalog() {
        crate::smoke(catalog, CATALOG_SEEDS, 5_000);
    }

    #[test]
    fn the_seed_is_a_catalog() {
        let mut document = CATALOG_SEEDS[0][1..].to_vec();
        assert!(corerest_api::decode_catalog(&mut document).is_ok());
    }
}
