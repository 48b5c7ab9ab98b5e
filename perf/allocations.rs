//! How often memory is allocated for a request whose shape is known, after a warm-up: in the pure
//! pieces of its way, which is all that depends on the request. A gate: buffers are reused, and
//! each allocation that comes back costs every request a hundred instructions.
//!
//! A test of its own, because it replaces the allocator, and of optimized builds only
//! (`scripts/check`): with debug assertions, statements that are known are written all the same.
#![cfg(not(debug_assertions))]

use std::collections::BTreeMap;
use std::path::Path;

use corerest_perf::hot_path;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Runs before counting: buffers have grown to their size.
const WARM_UP_RUNS: usize = 4;

/// Allocations of a request, of the kinds that requests are most often.
const EXPECTED: [(&str, u64); 6] = [
    ("point", 10),
    ("page", 10),
    ("embed_to_many", 10),
    ("rpc_rows", 9),
    ("insert", 12),
    ("update", 11),
];

#[test]
fn requests_allocate_no_more_than_they_did() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("ceiling/catalog.json");
    let mut document = std::fs::read(file).expect("it is recorded");
    let catalog = corerest_api::decode_catalog(&mut document).expect("it is a catalog");
    let _profiler = dhat::Profiler::builder().testing().build();
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    let measure = &mut |name: &str, work: &mut dyn FnMut()| {
        let (scenario, piece) = name.split_once(' ').expect("a scenario and a piece");
        // Planning is what a known shape spares.
        if piece == "prepare" {
            return;
        }
        (0..WARM_UP_RUNS).for_each(|_| work());
        let before = dhat::HeapStats::get().total_blocks;
        work();
        let allocated = dhat::HeapStats::get().total_blocks - before;
        *found.entry(scenario.to_owned()).or_default() += allocated;
    };
    hot_path::for_each_piece(&catalog, measure).expect("all can be prepared");
    for (scenario, expected) in EXPECTED {
        assert_eq!(found[scenario], expected, "{scenario}, of {found:?}");
    }
}
