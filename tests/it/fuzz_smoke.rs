//! A few thousand hostile inputs for every fuzz target, in each run of the tests.

#[test]
fn a_stream_of_requests_has_one_reading() {
    corerest_fuzz::smoke(
        corerest_fuzz::http_request,
        corerest_fuzz::HTTP_SEEDS,
        5_000,
    );
}

#[test]
fn a_body_is_refused_or_is_json() {
    corerest_fuzz::smoke(corerest_fuzz::payload, corerest_fuzz::PAYLOAD_SEEDS, 5_000);
}

#[test]
fn a_request_is_refused_or_becomes_whole_statements() {
    corerest_fuzz::smoke(
        corerest_fuzz::statements,
        corerest_fuzz::STATEMENT_SEEDS,
        5_000,
    );
}

#[test]
fn any_path_goes_through_any_claims() {
    corerest_fuzz::smoke(corerest_fuzz::claims, corerest_fuzz::CLAIM_SEEDS, 5_000);
}

#[test]
fn a_file_is_refused_or_loads_from_its_dump() {
    corerest_fuzz::smoke(
        corerest_fuzz::config_file,
        corerest_fuzz::CONFIG_FILE_SEEDS,
        5_000,
    );
}
