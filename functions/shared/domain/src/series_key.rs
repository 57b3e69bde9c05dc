//! Where a series lives: its tenant, its shard and the names of its keys.
//!
//! Names are percent-encoded, so that no separator can be smuggled in, and long ones are cut to a readable
//! prefix and a 128-bit hash, so that keys stay short while distinct series never share one.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::Series;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Longest part of a key, in bytes, that is written out; a longer one is cut and hashed.
const PART_LEN_MAX: usize = 128;

/// Bytes of a cut part that stay readable.
const PREFIX_LEN: usize = 64;

/// Everything but `[A-Za-z0-9_.-]` is written as `%XX`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-');

/// Shards of a store unless configured otherwise: enough to spread over any cluster, few enough to ask all.
pub const SHARDS_DEFAULT: u16 = 64;

/// A stored text that is not a series key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SeriesKeyError {
    /// The name of the series cannot be read.
    #[error("a stored series name cannot be read")]
    Series,
    /// The name of the tenant cannot be read.
    #[error("a stored tenant cannot be read")]
    Tenant,
}

/// Whose series they are; comes from the credential, never from a body. Clones share its texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant(Arc<TenantTexts>);

/// The name comes first, and says all of the others.
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct TenantTexts {
    name: String,
    escaped: String,
    part: String,
}

impl Tenant {
    /// The tenant of that name, which may hold any character.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let escaped = escaped(&name);
        let part = shortened(&escaped).into_owned();
        Self(Arc::new(TenantTexts { name, escaped, part }))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0.name
    }

    /// The shard of what is one for all its series.
    pub fn shard(&self, n_shards: u16) -> u16 {
        shard_of(hash_of(&[self.escaped()]), n_shards)
    }

    /// Its part of a key.
    pub fn part(&self) -> &str {
        &self.0.part
    }

    /// Its name without any separator.
    pub fn escaped(&self) -> &str {
        &self.0.escaped
    }

    /// Reads back what [`Tenant::escaped`] wrote.
    pub fn from_escaped(text: &str) -> Option<Self> {
        plain(text).map(Self::new)
    }
}

impl Default for Tenant {
    /// The only tenant where there are no credentials.
    fn default() -> Self {
        Self::new("default")
    }
}

/// A series of a tenant, with the texts by which a store knows it, made once. Clones share them.
#[derive(Clone)]
pub struct SeriesKey {
    inner: Arc<SeriesKeyTexts>,
}

struct SeriesKeyTexts {
    tenant: Tenant,
    series: Series,
    name: String,
    path: String,
    hash: u64,
}

impl SeriesKey {
    /// The key of `series` of `tenant`.
    pub fn new(tenant: Tenant, series: Series) -> Self {
        let name = full_name(&series);
        Self::with_name(tenant, series, name)
    }

    /// Reads back what [`SeriesKey::name`] wrote.
    pub fn from_name(tenant: &Tenant, name: &str) -> Result<Self, SeriesKeyError> {
        let series = series_from(name).ok_or(SeriesKeyError::Series)?;
        Ok(Self::with_name(tenant.clone(), series, name.to_owned()))
    }

    /// The tenant and the whole name, from which [`SeriesKey::from_text`] makes the key again.
    pub fn to_text(&self) -> String {
        format!("{} {}", self.tenant().escaped(), self.name())
    }

    /// Reads back what [`SeriesKey::to_text`] wrote.
    pub fn from_text(text: &str) -> Result<Self, SeriesKeyError> {
        let (tenant, name) = text.split_once(' ').ok_or(SeriesKeyError::Series)?;
        let tenant = Tenant::from_escaped(tenant).ok_or(SeriesKeyError::Tenant)?;
        Self::from_name(&tenant, name)
    }

    fn with_name(tenant: Tenant, series: Series, name: String) -> Self {
        let path = [tenant.part(), &shortened(&name)].join("/");
        let hash = hash_of(&[tenant.escaped(), "/", &name]);
        Self { inner: Arc::new(SeriesKeyTexts { tenant, series, name, path, hash }) }
    }

    /// Whose it is.
    pub fn tenant(&self) -> &Tenant {
        &self.inner.tenant
    }

    /// Which series.
    pub fn series(&self) -> &Series {
        &self.inner.series
    }

    /// The whole name, escaped: the member of the indexes, from which the series can be read back.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The tenant and the name, with a `/` between them, short enough for a key: at most 257 bytes.
    pub fn path(&self) -> &str {
        &self.inner.path
    }

    /// Its shard: the hash of tenant and series modulo the number of shards.
    pub fn shard(&self, n_shards: u16) -> u16 {
        shard_of(self.inner.hash, n_shards)
    }
}

impl std::fmt::Debug for SeriesKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SeriesKey")
            .field("tenant", self.tenant())
            .field("series", self.series())
            .finish()
    }
}

impl PartialEq for SeriesKey {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&*self.inner, &*other.inner);
        // A name says all of a series.
        (a.hash, &a.tenant, &a.name) == (b.hash, &b.tenant, &b.name)
    }
}

impl Eq for SeriesKey {}

impl Hash for SeriesKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.inner.hash);
    }
}

impl PartialOrd for SeriesKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SeriesKey {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.tenant(), self.name()).cmp(&(other.tenant(), other.name()))
    }
}

/// The hash of a text, in parts, that is the same in every process.
fn hash_of(parts: &[&str]) -> u64 {
    let digest = parts.iter().fold(Sha256::new(), Digest::chain_update).finalize();
    u64::from_be_bytes(std::array::from_fn(|i| digest[i]))
}

fn shard_of(hash: u64, n_shards: u16) -> u16 {
    (hash % u64::from(n_shards.max(1))) as u16
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).collect()
}

/// `source/metric`, then `/name=value` for each label; no part can hold a `/` or a `=`.
fn full_name(series: &Series) -> String {
    let mut name = escaped(series.source());
    let mut push = |separator, text| {
        name.push(separator);
        name.extend(utf8_percent_encode(text, ESCAPED));
    };
    push('/', series.metric());
    for (label, value) in series.labels() {
        push('/', label);
        push('=', value);
    }
    name
}

fn plain(part: &str) -> Option<String> {
    percent_decode_str(part).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn series_from(name: &str) -> Option<Series> {
    let mut parts = name.split('/');
    let (source, metric) = (plain(parts.next()?)?, plain(parts.next()?)?);
    let labels: Option<BTreeMap<String, String>> = parts
        .map(|part| {
            let (label, value) = part.split_once('=')?;
            Some((plain(label)?, plain(value)?))
        })
        .collect();
    Series::new(source, metric, labels?).ok()
}

/// `text` itself, or a prefix and a hash of all of it; a `~` tells them apart, as no escaped text holds one.
fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= PART_LEN_MAX {
        return text.into();
    }
    let digest = Sha256::digest(text);
    // Escaped text is ASCII, so any cut is at a character.
    let mut short: String = text.chars().take(PREFIX_LEN).collect();
    short.push('~');
    for byte in digest.iter().take(16) {
        // Writing to a string cannot fail.
        let _infallible = write!(short, "{byte:02x}");
    }
    short.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(tenant: &str, source: &str, metric: &str, labels: &[(&str, &str)]) -> SeriesKey {
        let labels =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        SeriesKey::new(Tenant::new(tenant), Series::new(source, metric, labels).unwrap())
    }

    #[test]
    fn a_separator_in_a_name_moves_nothing() {
        let paths = [
            key("t", "a/b", "c", &[]),
            key("t", "a", "b/c", &[]),
            key("t/a", "b", "c", &[]),
            key("t", "a", "b", &[("c", "")]),
            key("t", "a", "b", &[("c", "d/e=f")]),
            key("t", "a", "b", &[("c", "d"), ("e", "f")]),
        ];
        let distinct: std::collections::BTreeSet<&str> =
            paths.iter().map(SeriesKey::path).collect();
        assert_eq!(distinct.len(), paths.len(), "{paths:?}");
    }

    #[test]
    fn a_shard_is_a_stable_promise() {
        // These numbers are in every store that exists: changing them loses it.
        let shards: Vec<u16> = ["rps", "cpu", "latency"]
            .into_iter()
            .map(|metric| key("default", "checkout", metric, &[]).shard(SHARDS_DEFAULT))
            .collect();
        assert_eq!(shards, [38, 61, 51]);
    }

    fn any_series() -> impl Strategy<Value = Series> {
        let name = "[A-Za-z0-9_.:/-]{1,128}";
        let labels = prop::collection::btree_map("[a-z/:.]{1,9}", "\\PC{0,64}", 0..4);
        (name, name, labels)
            .prop_map(|(source, metric, labels)| Series::new(source, metric, labels).unwrap())
    }

    proptest! {
        #[test]
        fn distinct_series_never_share_a_key(
            a in any_series(), b in any_series(), tenants in ("\\PC{0,20}", "\\PC{0,20}"),
        ) {
            let one = SeriesKey::new(Tenant::new(tenants.0), a);
            let other = SeriesKey::new(Tenant::new(tenants.1), b);
            prop_assert_eq!(one == other, one.path() == other.path());
        }

        #[test]
        fn a_name_reads_back(series in any_series()) {
            let key = SeriesKey::new(Tenant::default(), series);
            prop_assert_eq!(SeriesKey::from_name(key.tenant(), key.name()).unwrap(), key);
        }

        #[test]
        fn a_key_is_short_and_plain(series in any_series(), tenant in "\\PC{0,300}") {
            let key = SeriesKey::new(Tenant::new(tenant), series);
            let path = key.path();
            prop_assert!(path.len() <= 2 * PART_LEN_MAX + 1);
            prop_assert!(path.chars().all(|c| c.is_ascii_alphanumeric() || "_.-%/=~".contains(c)), "{}", path);
        }
    }
}
