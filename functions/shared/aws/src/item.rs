//! An episode, or a configuration, as an item of the table.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use detector::SeriesConfig;
use domain::SeriesKey;
use store::{StoredConfig, StoredEpisode};

/// The attribute by which a later word on an episode is told from an earlier one.
pub(crate) const REVISION: &str = "revision";

/// The attribute that DynamoDB's time to live looks at.
const EXPIRES_AT: &str = "expires_at";

/// All that is known of the episode.
const EPISODE: &str = "episode";

/// The partition of all configurations; that of a series has a `#` in it.
const CONFIGS: &str = "configs";

/// Whose configuration it is, whole.
const KEY: &str = "key";

/// The configuration; not there where it was removed.
const CONFIG: &str = "config";

/// For how long it is known that a configuration was removed, in seconds: longer than any sweep that heard of it before
/// goes on. A week.
const REMOVED_KNOWN_S: i64 = 7 * 86_400;

type Item = HashMap<String, AttributeValue>;

/// A text.
pub(crate) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A whole number.
pub(crate) fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// The partition of a series: tenant and series, at most 257 bytes.
pub(crate) fn pk(key: &SeriesKey) -> AttributeValue {
    text(key.path().replacen('/', "#", 1))
}

/// The place of an episode within its series; in the order of time, since a time has at most 16 digits.
pub(crate) fn sk(start_us: i64) -> AttributeValue {
    text(format!("{:016}", start_us.clamp(0, 9_999_999_999_999_999)))
}

/// The item of an episode that was heard of at `received_us`.
pub(crate) fn of(key: &SeriesKey, episode: &StoredEpisode, received_us: i64, days: u32) -> Item {
    let record = &episode.record;
    let expires_at = received_us / 1_000_000 + i64::from(days) * 86_400;
    let time = |at_us: i64| number(at_us / 1_000);
    let attributes = [
        ("pk", pk(key)),
        ("sk", sk(record.start_us)),
        (REVISION, number(episode.revision)),
        (EPISODE, text(episode.to_text())),
        ("series", text(key.name())),
        ("state", text(record.phase.as_str())),
        ("signal", text(record.signal().as_str())),
        ("samples", number(record.n_samples as i64)),
        ("start", time(record.start_us)),
        ("end", time(record.end_us)),
        (EXPIRES_AT, number(expires_at)),
    ];
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Reads back what [`of`] wrote.
pub(crate) fn episode(item: &Item) -> Option<StoredEpisode> {
    StoredEpisode::from_text(item.get(EPISODE)?.as_s().ok()?)
}

/// The partition of all configurations.
pub(crate) fn pk_of_configs() -> AttributeValue {
    text(CONFIGS)
}

/// The place of a configuration among all, by the path of its series.
pub(crate) fn sk_of_config(path: &str) -> AttributeValue {
    text(path)
}

/// The item of a configuration, or of its removal, which was heard of at `received_us`.
pub(crate) fn of_config(
    key: &SeriesKey,
    revision: i64,
    config: Option<&SeriesConfig>,
    received_us: i64,
) -> Item {
    let what = match config {
        Some(config) => {
            let stored = StoredConfig { revision, config: config.clone() };
            (CONFIG, text(stored.to_text()))
        }
        None => (EXPIRES_AT, number(received_us / 1_000_000 + REMOVED_KNOWN_S)),
    };
    let attributes = [
        ("pk", pk_of_configs()),
        ("sk", sk_of_config(key.path())),
        (REVISION, number(revision)),
        (KEY, text(key.to_text())),
        what,
    ];
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Reads back what [`of_config`] wrote; none for a removal, and for what cannot be read here.
pub(crate) fn config(item: &Item) -> Option<(SeriesKey, StoredConfig)> {
    let stored = StoredConfig::from_text(item.get(CONFIG)?.as_s().ok()?)?;
    let key = SeriesKey::from_text(item.get(KEY)?.as_s().ok()?).ok()?;
    Some((key, stored))
}

/// Whether its time is over, whether or not DynamoDB has dropped it: that may take days.
pub(crate) fn is_expired(item: &Item, now_s: i64) -> bool {
    let expires_at = item.get(EXPIRES_AT).and_then(|it| it.as_n().ok()?.parse::<i64>().ok());
    expires_at.is_some_and(|expires_at| expires_at <= now_s)
}
