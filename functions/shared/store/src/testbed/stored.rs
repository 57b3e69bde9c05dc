//! Reads texts as a store may hold them, for fuzz tests.

use std::fmt::Debug;

use domain::{Series, SeriesKey, Tenant};
use protocol::{StoredConfig, member};

/// Reads a text as a member of each set, as the name of a series, and as a configuration.
///
/// # Panics
///
/// If a value that was read does not survive writing and reading.
pub fn read_stored(text: &str) {
    check(text, member::sample, |sample| Some(member::of_sample(sample)));
    check(text, member::judged, |judged| Some(member::of_judged(judged)));
    check(text, member::anomaly, member::of_anomaly);
    let tenant = Tenant::default();
    let series =
        |name: &str| SeriesKey::from_name(&tenant, name).ok().map(|key| key.series().clone());
    let name = |series: &Series| SeriesKey::new(tenant.clone(), series.clone()).name().to_owned();
    check(text, series, |series| Some(name(series)));
    check(text, StoredConfig::from_text, |config| Some(config.to_text()));
    check(text, Tenant::from_escaped, |tenant| Some(tenant.escaped().to_owned()));
}

fn check<T: PartialEq + Debug>(
    text: &str,
    read: impl Fn(&str) -> Option<T>,
    write: impl Fn(&T) -> Option<String>,
) {
    let Some(value) = read(text) else { return };
    if let Some(written) = write(&value) {
        assert_eq!(read(&written).as_ref(), Some(&value), "`{text}` and `{written}`");
    }
}
