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
