//! Reads what a store may hold, for those who search for texts that break it.

use std::fmt::Debug;

use domain::{SeriesKey, Tenant};
use protocol::{StoredConfig, member};

/// Reads a text as a member of each set, as the name of a series, and as a configuration.
///
/// # Panics
///
/// Where something is read that does not read back from how it is written.
pub fn read_stored(text: &str) {
    check(text, member::sample, |it| Some(member::of_sample(it.at_us(), it.value())));
    check(text, member::judged, |it| Some(member::of_judged(it)));
    check(text, member::anomaly, member::of_anomaly);
    let tenant = Tenant::default();
    let series =
        |name: &str| SeriesKey::from_name(&tenant, name).ok().map(|it| it.series().clone());
    check(text, series, |it| Some(SeriesKey::new(tenant.clone(), it.clone()).name().to_owned()));
    check(text, StoredConfig::from_text, |config| Some(config.to_text()));
    check(text, Tenant::from_escaped, |it| Some(it.escaped().to_owned()));
}

fn check<T: PartialEq + Debug>(
    text: &str,
    read: impl Fn(&str) -> Option<T>,
    write: impl Fn(&T) -> Option<String>,
) {
    let Some(it) = read(text) else { return };
    if let Some(written) = write(&it) {
        assert_eq!(read(&written).as_ref(), Some(&it), "`{text}` and `{written}`");
    }
}
