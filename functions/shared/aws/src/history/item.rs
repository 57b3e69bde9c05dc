//! Encodes episodes and configurations as items of the table.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use detector::SeriesConfig;
use domain::SeriesKey;
use store::{StoredConfig, StoredEpisode};

/// The attribute that rises with each change.
pub(super) const REVISION: &str = "revision";

/// The attribute of DynamoDB's time to live.
const EXPIRES_AT: &str = "expires_at";

/// The whole episode.
const EPISODE: &str = "episode";

/// The partition of all configurations; that of a series contains a `#`.
const CONFIGS: &str = "configs";

/// The series of a configuration.
const KEY: &str = "key";

/// The configuration; missing after its removal.
const CONFIG: &str = "config";

/// Life of the record of a removal, in seconds: a week, longer than any sweep that read the configuration before.
const REMOVED_KNOWN_S: i64 = 7 * 86_400;

type Item = HashMap<String, AttributeValue>;

/// An attribute with a text.
pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// An attribute with a whole number.
pub(super) fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// The partition of a series: tenant and series, at most 257 bytes.
pub(super) fn pk(key: &SeriesKey) -> AttributeValue {
    text(key.path().replacen('/', "#", 1))
}

/// The sort key of an episode within its series; in the order of time, since a time has at most 16 digits.
pub(super) fn sk(start_us: i64) -> AttributeValue {
    text(format!("{:016}", start_us.clamp(0, 9_999_999_999_999_999)))
}

/// The item of an episode that was read at `received_us`; it expires after `days`.
pub(super) fn of_episode(
    key: &SeriesKey,
    episode: &StoredEpisode,
    received_us: i64,
    days: u32,
) -> Item {
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

/// Decodes the item of an episode.
pub(super) fn episode(item: &Item) -> Option<StoredEpisode> {
    StoredEpisode::from_text(item.get(EPISODE)?.as_s().ok()?)
}

/// The partition of all configurations.
pub(super) fn pk_of_configs() -> AttributeValue {
    text(CONFIGS)
}

/// The sort key of a configuration: the path of its series.
pub(super) fn sk_of_config(path: &str) -> AttributeValue {
    text(path)
}

/// The item of a configuration, or of its removal, that was read at `received_us`.
pub(super) fn of_config(
    key: &SeriesKey,
    revision: i64,
    config: Option<&SeriesConfig>,
    received_us: i64,
) -> Item {
    let content = match config {
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
        content,
    ];
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Decodes the item of a configuration; `None` for a removal, and for an unknown format.
pub(super) fn config(item: &Item) -> Option<(SeriesKey, StoredConfig)> {
    let stored = StoredConfig::from_text(item.get(CONFIG)?.as_s().ok()?)?;
    let key = SeriesKey::from_text(item.get(KEY)?.as_s().ok()?).ok()?;
    Some((key, stored))
}

/// True if an item has expired; DynamoDB may take days to remove it.
pub(super) fn is_expired(item: &Item, now_s: i64) -> bool {
    let expires_at = item.get(EXPIRES_AT).and_then(|value| value.as_n().ok()?.parse::<i64>().ok());
    expires_at.is_some_and(|expires_at| expires_at <= now_s)
}
