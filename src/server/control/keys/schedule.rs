//! When keys are fetched again. Nothing in here looks at a clock.

use std::time::Duration;

/// The least and the most time after which keys are fetched again, whatever their server says.
const REFRESH_MIN: Duration = Duration::from_secs(60);
const REFRESH_MAX: Duration = Duration::from_secs(60 * 60);

/// If it says nothing.
const REFRESH_DEFAULT: Duration = Duration::from_secs(5 * 60);

/// How long after a fetch the next one is due: before what came is out of date, so that there is
/// time to try again.
pub(super) fn refresh_after(fresh_for: Option<Duration>) -> Duration {
    let fresh_for = fresh_for.unwrap_or(REFRESH_DEFAULT);
    (fresh_for - fresh_for / 5).clamp(REFRESH_MIN, REFRESH_MAX)
}

/// For how long an answer is fresh, by its headers `Cache-Control` and `Age` (RFC 9111 section
/// 4.2); `None` if it does not say.
pub(super) fn fresh_for(cache_control: Option<&str>, age: Option<&str>) -> Option<Duration> {
    let directives = cache_control?.split(',').map(str::trim);
    let mut max_age = None;
    for directive in directives {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(Duration::ZERO),
            "max-age" => {
                let seconds = value.trim().trim_matches('"').parse::<u64>().ok();
                max_age = max_age.or(seconds);
            }
            _ => {}
        }
    }
    let age = age.and_then(|age| age.trim().parse::<u64>().ok());
    max_age.map(|seconds| Duration::from_secs(seconds.saturating_sub(age.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cache_control: Option<&str>, age: Option<&str>, seconds: u64) {
        let after = refresh_after(fresh_for(cache_control, age));
        assert_eq!(after.as_secs(), seconds, "{cache_control:?} {age:?}");
    }

    #[test]
    fn keys_are_fetched_again_before_they_are_out_of_date_within_bounds() {
        check(None, None, 240);
        check(Some("public"), None, 240);
        check(Some("max-age=1000"), None, 800);
        check(Some("public, MAX-AGE = \"1000\" , x"), None, 800);
        check(Some("max-age=1000"), Some("500"), 400);
        check(Some("max-age=1000"), Some("5000"), 60);
        check(Some("max-age=1000"), Some("-5"), 800);
        check(Some("max-age=0"), None, 60);
        check(Some("max-age=1000, max-age=5"), None, 800);
        check(Some("max-age=86400"), None, 3600);
        check(Some("max-age=18446744073709551615"), None, 3600);
        check(Some("max-age=18446744073709551616"), None, 240);
        check(Some("max-age=-1"), None, 240);
        check(Some("no-cache, max-age=1000"), None, 60);
        check(Some("max-age=1000, no-store"), None, 60);
    }
}
