//! Identifies a stored series: tenant, series name, and the key texts derived from both.
//!
//! Names are percent-encoded, so that a name cannot contain a separator. A long name becomes a readable prefix and a
//! 128-bit hash: keys stay short, and distinct series never share one. The texts are computed once per key and shared
//! by its clones, since every store call needs them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::Series;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Longest key part that is written in full, in bytes; a longer one becomes a prefix and a hash.
const PART_LEN_MAX: usize = 128;

/// Readable bytes of a shortened key part.
const PREFIX_LEN: usize = 64;

/// Characters written as `%XX`: all but `[A-Za-z0-9_.-]`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-');

/// Default number of shards: enough to spread over any cluster, few enough to query them all.
pub const SHARDS_DEFAULT: u16 = 64;

/// Error for a stored text that is not a series key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SeriesKeyError {
    /// The series name is malformed.
    #[error("stored series name is malformed")]
    Series,
    /// The tenant name is malformed.
    #[error("stored tenant name is malformed")]
    Tenant,
}

/// Owner of series; comes from the credential, never from a request body. Clones share its texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant(Arc<TenantTexts>);

/// `name` comes first and determines the others, so derived comparisons are exact.
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct TenantTexts {
    name: String,
    escaped: String,
    part: String,
}

impl Tenant {
    /// Accepts a name of any characters.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let escaped = escaped(&name);
        let part = shortened(&escaped).into_owned();
        Self(Arc::new(TenantTexts { name, escaped, part }))
    }

    /// Name.
    pub fn as_str(&self) -> &str {
        &self.0.name
    }

    /// Shard of the keys that all series of the tenant share.
    pub fn shard(&self, n_shards: u16) -> u16 {
        shard_of(hash_of(&[self.escaped()]), n_shards)
    }

    /// Key part: the escaped name, shortened if long.
    pub fn part(&self) -> &str {
        &self.0.part
    }

    /// Percent-encoded name; contains no separator.
    pub fn escaped(&self) -> &str {
        &self.0.escaped
    }

    /// Inverse of [`Tenant::escaped`].
    pub fn from_escaped(text: &str) -> Option<Self> {
        unescaped(text).map(Self::new)
    }
}

impl Default for Tenant {
    /// Tenant of requests without credentials.
    fn default() -> Self {
        Self::new("default")
    }
}

/// A series of a tenant, with its key texts. Clones share them.
#[derive(Clone)]
pub struct SeriesKey {
    texts: Arc<SeriesKeyTexts>,
}

struct SeriesKeyTexts {
    tenant: Tenant,
    series: Series,
    name: String,
    path: String,
    hash: u64,
}

impl SeriesKey {
    /// Key of `series` of `tenant`.
    pub fn new(tenant: Tenant, series: Series) -> Self {
        let name = full_name(&series);
        Self::with_name(tenant, series, name)
    }

    /// Inverse of [`SeriesKey::name`].
    pub fn from_name(tenant: &Tenant, name: &str) -> Result<Self, SeriesKeyError> {
        let series = series_from(name).ok_or(SeriesKeyError::Series)?;
        Ok(Self::with_name(tenant.clone(), series, name.to_owned()))
    }

    /// Escaped tenant and name, separated by a space.
    pub fn to_text(&self) -> String {
        format!("{} {}", self.tenant().escaped(), self.name())
    }

    /// Inverse of [`SeriesKey::to_text`].
    pub fn from_text(text: &str) -> Result<Self, SeriesKeyError> {
        let (tenant, name) = text.split_once(' ').ok_or(SeriesKeyError::Series)?;
        let tenant = Tenant::from_escaped(tenant).ok_or(SeriesKeyError::Tenant)?;
        Self::from_name(&tenant, name)
    }

    fn with_name(tenant: Tenant, series: Series, name: String) -> Self {
        let path = [tenant.part(), &shortened(&name)].join("/");
        let hash = hash_of(&[tenant.escaped(), "/", &name]);
        Self { texts: Arc::new(SeriesKeyTexts { tenant, series, name, path, hash }) }
    }

    /// Tenant that owns the series.
    pub fn tenant(&self) -> &Tenant {
        &self.texts.tenant
    }

    /// The series.
    pub fn series(&self) -> &Series {
        &self.texts.series
    }

    /// Full escaped name; [`SeriesKey::from_name`] parses it. Store indexes hold it.
    pub fn name(&self) -> &str {
        &self.texts.name
    }

    /// Tenant and name, separated by `/` and shortened if long: at most 257 bytes.
    pub fn path(&self) -> &str {
        &self.texts.path
    }

    /// Shard: hash of tenant and series modulo the number of shards.
    pub fn shard(&self, n_shards: u16) -> u16 {
        shard_of(self.texts.hash, n_shards)
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
        let (a, b) = (&*self.texts, &*other.texts);
        (a.hash, &a.tenant, &a.name) == (b.hash, &b.tenant, &b.name)
    }
}

impl Eq for SeriesKey {}

impl Hash for SeriesKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.texts.hash);
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

/// Hashes the concatenation of `parts`; equal in every process.
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

/// `source/metric`, then `/name=value` for each label; escaped parts contain no `/` and no `=`.
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

fn unescaped(part: &str) -> Option<String> {
    percent_decode_str(part).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn series_from(name: &str) -> Option<Series> {
    let mut parts = name.split('/');
    let (source, metric) = (unescaped(parts.next()?)?, unescaped(parts.next()?)?);
    let labels: Option<BTreeMap<String, String>> = parts
        .map(|part| {
            let (label, value) = part.split_once('=')?;
            Some((unescaped(label)?, unescaped(value)?))
        })
        .collect();
    Series::new(source, metric, labels?).ok()
}

/// `text` itself if short, else a prefix, `~` and a hash of the whole; no escaped text contains `~`.
fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= PART_LEN_MAX {
        return text.into();
    }
    let digest = Sha256::digest(text);
    let hash = u128::from_be_bytes(std::array::from_fn(|i| digest[i]));
    // Escaped text is ASCII: a character is a byte.
    let prefix: String = text.chars().take(PREFIX_LEN).collect();
    format!("{prefix}~{hash:032x}").into()
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
    fn separators_in_names_are_escaped() {
        let paths = [
            key("t", "a/b", "c", &[]),
            key("t", "a", "b/c", &[]),
            key("t/a", "b", "c", &[]),
            key("t", "a", "b", &[("c", "")]),
            key("t", "a", "b", &[("c", "d/e=f")]),
            key("t", "a", "b", &[("c", "d"), ("e", "f")]),
            key("t", "a", "b", &[("c=d/e", "f")]),
            key("t", "a", "b/c=", &[]),
            key("t", "a", "b%2Fc", &[]),
        ];
        let distinct: std::collections::BTreeSet<&str> =
            paths.iter().map(SeriesKey::path).collect();
        assert_eq!(distinct.len(), paths.len(), "{paths:?}");
    }

    #[test]
    fn shards_of_known_series_never_change() {
        // Every existing store depends on these numbers: changing them loses its data.
        let shards: Vec<u16> = ["rps", "cpu", "latency"]
            .into_iter()
            .map(|metric| key("default", "checkout", metric, &[]).shard(SHARDS_DEFAULT))
            .collect();
        assert_eq!(shards, [38, 61, 51]);
    }

    fn any_series() -> impl Strategy<Value = Series> {
        let name = "[A-Za-z0-9_.:/-]{1,128}|\\PC{1,64}";
        let labels = prop::collection::btree_map("[a-z/:.=%~]{1,9}|\\PC{1,9}", "(?s).{0,64}", 0..4);
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
        fn from_name_inverts_name(series in any_series()) {
            let key = SeriesKey::new(Tenant::default(), series);
            prop_assert_eq!(SeriesKey::from_name(key.tenant(), key.name()).unwrap(), key);
        }

        #[test]
        fn paths_are_short_ascii(series in any_series(), tenant in "\\PC{0,300}") {
            let key = SeriesKey::new(Tenant::new(tenant), series);
            let path = key.path();
            prop_assert!(path.len() <= 2 * PART_LEN_MAX + 1);
            prop_assert!(path.chars().all(|c| c.is_ascii_alphanumeric() || "_.-%/=~".contains(c)), "{}", path);
        }
    }
}
