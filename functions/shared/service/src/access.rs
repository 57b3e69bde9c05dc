//! Authorizes requests by bearer API keys, each for one tenant, with rights.
//!
//! The configuration holds SHA-256 hashes, never keys. A plain hash is enough: keys are 256 random bits made by
//! [`NewApiKey`], so they cannot be guessed. The tenant of a request is the tenant of its key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use domain::Tenant;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

/// Keys of one tenant with one right: the current one and its replacement during a rotation.
pub const KEYS_MAX: usize = 2;

/// Longest tenant name in bytes; it is part of every key of the store.
pub const TENANT_LEN_MAX: usize = 64;

/// Prefix of every key, so that scanners for leaked secrets recognize it.
const KEY_PREFIX: &str = "tmk_";

/// Random bytes of a key.
const KEY_LEN: usize = 32;

/// Format of one entry.
const ENTRY_FORMAT: &str = "`tenant:rights:sha256-hex`";

/// Right of a key. No right includes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Right {
    /// Send samples.
    Write,
    /// Read series, anomalies and configurations, and judge samples without storing them.
    Read,
    /// Configure and delete series.
    Admin,
    /// Answer to verdicts.
    Feedback,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 4] = [Self::Write, Self::Read, Self::Admin, Self::Feedback];

    /// Name in entries, errors and the API description.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Admin => "admin",
            Self::Feedback => "feedback",
        }
    }
}

/// Rights of one key: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights(BTreeSet<Right>);

impl FromStr for Rights {
    type Err = String;

    /// Parses names joined by `+`, such as `read+admin`.
    fn from_str(text: &str) -> Result<Self, String> {
        let right = |name| Right::ALL.into_iter().find(|right| right.as_str() == name);
        let rights: Option<BTreeSet<Right>> = text.split('+').map(right).collect();
        rights.map(Self).ok_or_else(|| {
            "unknown rights: expected `write`, `read`, `admin`, `feedback` or several joined by `+`".to_owned()
        })
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|right| right.as_str()).collect();
        f.write_str(&names.join("+"))
    }
}

/// Access policy.
#[derive(Debug, Clone)]
pub enum Access {
    /// Every caller is trusted, as the tenant `default`.
    Open,
    /// Callers need a key.
    Keys(ApiKeys),
}

/// Reason to refuse a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The request has no key, or several.
    #[error("API key missing: expected one header `Authorization: Bearer <key>`")]
    CredentialMissing,
    /// No entry has the hash of the key.
    #[error("unknown API key")]
    CredentialUnknown,
    /// The key lacks the right.
    #[error("the API key lacks the right `{}`", right.as_str())]
    RightMissing {
        /// Right that the request needs.
        right: Right,
    },
    /// The request names another tenant than that of the key.
    #[error("the API key is of another tenant: expected its own, or no parameter `tenant`")]
    TenantDiffers,
}

impl AccessError {
    /// Bounded error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::CredentialMissing => "credential_missing",
            Self::CredentialUnknown => "credential_unknown",
            Self::RightMissing { .. } => "right_missing",
            Self::TenantDiffers => "tenant_differs",
        }
    }

    /// True if the request needs another key (401), false if the key may not do this (403).
    pub fn is_unauthorized(&self) -> bool {
        !matches!(self, Self::RightMissing { .. } | Self::TenantDiffers)
    }
}

impl Access {
    /// Number of tenants that can call.
    pub fn n_tenants(&self) -> usize {
        match self {
            Self::Open => 1,
            Self::Keys(keys) => {
                keys.entries.iter().map(|entry| &entry.tenant).collect::<BTreeSet<_>>().len()
            }
        }
    }

    /// Returns the tenant of a request that presents `key` and needs `right`.
    pub fn admit(&self, key: Option<&str>, right: Right) -> Result<Tenant, AccessError> {
        match self {
            Self::Open => Ok(Tenant::default()),
            Self::Keys(keys) => keys.admit(key.ok_or(AccessError::CredentialMissing)?, right),
        }
    }
}

/// Hashes of the accepted keys.
#[derive(Clone)]
pub struct ApiKeys {
    entries: Vec<ApiKeyEntry>,
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys").field("n_entries", &self.entries.len()).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct ApiKeyEntry {
    tenant: Tenant,
    rights: Rights,
    hash: [u8; 32],
}

impl ApiKeys {
    /// Parses entries `tenant:rights:sha256-hex`, separated by commas or white space; `#` starts a comment.
    ///
    /// Returns every mistake. No message quotes an entry, because it may contain a key by accident.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
        let texts =
            lines.flat_map(|line| line.split([',', ' ', '\t'])).filter(|text| !text.is_empty());
        let (mut entries, mut mistakes) = (Vec::new(), Vec::new());
        for (i, text) in texts.enumerate() {
            match text.parse::<ApiKeyEntry>() {
                Ok(entry) => entries.push(entry),
                Err(mistake) => mistakes.push(format!("entry {}: {mistake}", i + 1)),
            }
        }
        if entries.is_empty() && mistakes.is_empty() {
            mistakes.push(format!("has no entry: expected {ENTRY_FORMAT}"));
        }
        mistakes.extend(conflicts(&entries));
        if mistakes.is_empty() { Ok(Self { entries }) } else { Err(mistakes) }
    }

    /// Compares with every entry in constant time, so that the duration reveals nothing about them.
    fn admit(&self, key: &str, right: Right) -> Result<Tenant, AccessError> {
        let hash = sha256(key);
        let mut found = None;
        let mut is_allowed = false;
        for entry in &self.entries {
            if bool::from(entry.hash.ct_eq(&hash)) {
                found = Some(&entry.tenant);
                is_allowed |= entry.rights.0.contains(&right);
            }
        }
        let tenant = found.ok_or(AccessError::CredentialUnknown)?;
        if is_allowed { Ok(tenant.clone()) } else { Err(AccessError::RightMissing { right }) }
    }
}

impl FromStr for ApiKeyEntry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let [tenant, rights, hash] = text.split(':').collect::<Vec<_>>()[..] else {
            return Err(format!("expected {ENTRY_FORMAT}"));
        };
        let mut bytes = [0; 32];
        hex::decode_to_slice(hash, &mut bytes).map_err(|_| {
            "the hash is not 64 hexadecimal digits; do not put the key itself here".to_owned()
        })?;
        Ok(Self { tenant: parse_tenant(tenant)?, rights: rights.parse()?, hash: bytes })
    }
}

/// Finds entries that contradict each other.
fn conflicts(entries: &[ApiKeyEntry]) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut hashes: BTreeMap<(&Tenant, Right), BTreeSet<[u8; 32]>> = BTreeMap::new();
    let mut tenants: BTreeMap<[u8; 32], BTreeSet<&Tenant>> = BTreeMap::new();
    for entry in entries {
        tenants.entry(entry.hash).or_default().insert(&entry.tenant);
        for right in &entry.rights.0 {
            hashes.entry((&entry.tenant, *right)).or_default().insert(entry.hash);
        }
    }
    for ((tenant, right), hashes) in hashes.iter().filter(|(_, hashes)| hashes.len() > KEYS_MAX) {
        let (tenant, right, n) = (tenant.as_str(), right.as_str(), hashes.len());
        mistakes.push(format!(
            "tenant `{tenant}` has {n} keys with the right `{right}`: expected at most {KEYS_MAX}"
        ));
    }
    if tenants.values().any(|tenants| tenants.len() > 1) {
        mistakes.push("several tenants share a key: expected a key for each".to_owned());
    }
    mistakes
}

/// Parses a tenant name as the configuration may hold it.
pub(crate) fn parse_tenant(name: &str) -> Result<Tenant, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if (1..=TENANT_LEN_MAX).contains(&name.len()) && name.bytes().all(is_plain) {
        return Ok(Tenant::new(name));
    }
    Err(format!("expected a tenant of 1 to {TENANT_LEN_MAX} characters of `A-Za-z0-9_.-`"))
}

/// A new random key with its configuration entry.
#[derive(Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// Key, for the client.
    pub key: String,
    /// Entry, for the configuration.
    pub entry: String,
}

impl fmt::Debug for NewApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewApiKey").finish_non_exhaustive()
    }
}

impl NewApiKey {
    /// Generates a key of `tenant` with `rights` from the random source of the system.
    pub fn generate(tenant: &str, rights: &str) -> Result<Self, String> {
        let mut random = [0; KEY_LEN];
        getrandom::fill(&mut random)
            .map_err(|error| format!("the system has no random numbers: {error}"))?;
        Self::from_random(tenant, rights, &random)
    }

    fn from_random(tenant: &str, rights: &str, random: &[u8; KEY_LEN]) -> Result<Self, String> {
        let (tenant, rights): (Tenant, Rights) = (parse_tenant(tenant)?, rights.parse()?);
        let key = format!("{KEY_PREFIX}{}", hex::encode(random));
        let entry = format!("{}:{rights}:{}", tenant.as_str(), hex::encode(sha256(&key)));
        Ok(Self { key, entry })
    }
}

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(tenant: &str, rights: &str, seed: u8) -> NewApiKey {
        NewApiKey::from_random(tenant, rights, &[seed; KEY_LEN]).unwrap()
    }

    fn mistakes(text: &str) -> Vec<String> {
        ApiKeys::parse(text).map(|_| ()).unwrap_err()
    }

    #[test]
    fn a_key_is_admitted_for_its_tenant_and_rights_only() {
        let (one, other) = (made("one", "write+read", 1), made("other", "admin", 2));
        let text = format!("# the first\n{},\n{} # the second\n", one.entry, other.entry);
        let access = Access::Keys(ApiKeys::parse(&text).unwrap());
        let missing = |right| Err(AccessError::RightMissing { right });
        for (key, right, expected) in [
            (Some(&one.key), Right::Write, Ok(Tenant::new("one"))),
            (Some(&one.key), Right::Read, Ok(Tenant::new("one"))),
            (Some(&one.key), Right::Admin, missing(Right::Admin)),
            (Some(&other.key), Right::Admin, Ok(Tenant::new("other"))),
            (Some(&other.key), Right::Read, missing(Right::Read)),
            (Some(&made("one", "read", 3).key), Right::Read, Err(AccessError::CredentialUnknown)),
            (None, Right::Read, Err(AccessError::CredentialMissing)),
        ] {
            assert_eq!(access.admit(key.map(String::as_str), right), expected, "{right:?}");
        }
        // The hash in the configuration is no key.
        let hash = one.entry.rsplit(':').next().unwrap();
        let unknown = Err(AccessError::CredentialUnknown);
        assert_eq!(access.admit(Some(hash), Right::Read), unknown);
        assert_eq!(access.admit(Some(""), Right::Read), unknown);
    }

    #[test]
    fn the_hash_is_plain_sha_256() {
        // printf %s abc | sha256sum
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let access = Access::Keys(ApiKeys::parse(&format!("t:read:{hash}")).unwrap());
        assert_eq!(access.admit(Some("abc"), Right::Read), Ok(Tenant::new("t")));
    }

    #[test]
    fn generated_keys_differ_and_are_long() {
        let (one, other) =
            (NewApiKey::generate("t", "read").unwrap(), NewApiKey::generate("t", "read").unwrap());
        assert_ne!(one.key, other.key);
        assert_eq!(one.key.len(), KEY_PREFIX.len() + 2 * KEY_LEN);
        assert!(
            NewApiKey::generate("a/b", "read").is_err()
                && NewApiKey::generate("t", "root").is_err()
        );
    }

    #[test]
    fn a_third_key_with_the_same_right_is_refused() {
        let entry = |rights, seed| made("t", rights, seed).entry;
        let two = format!("{},{}", entry("read", 1), entry("read+write", 2));
        assert!(ApiKeys::parse(&two).is_ok());
        assert!(ApiKeys::parse(&format!("{two},{}", entry("admin", 3))).is_ok());
        let third = mistakes(&format!("{two},{}", entry("read", 3)));
        assert_eq!(third, ["tenant `t` has 3 keys with the right `read`: expected at most 2"]);
    }

    #[test]
    fn tenants_cannot_share_a_key() {
        let entries = format!("{},{}", made("a", "read", 1).entry, made("b", "write", 1).entry);
        assert!(mistakes(&entries)[0].contains("several tenants share a key"));
    }

    #[test]
    fn every_invalid_entry_is_numbered_and_none_is_quoted() {
        let NewApiKey { key, entry } = made("t", "read", 1);
        let texts = [
            key.clone(),
            format!("t:read:{key}"),
            format!("t:reed:{}", "a".repeat(64)),
            format!("t/u:read:{}", "a".repeat(64)),
            format!("{entry}0"),
        ];
        let mistakes = mistakes(&texts.join("\n"));
        assert_eq!(mistakes.len(), texts.len(), "{mistakes:?}");
        for (i, mistake) in mistakes.iter().enumerate() {
            assert!(mistake.starts_with(&format!("entry {}: ", i + 1)), "{mistake}");
            assert!(!mistake.contains(&key) && !mistake.contains("aaaa"), "{mistake}");
        }
        assert!(self::mistakes(" # nothing\n")[0].starts_with("has no entry"));
    }
}
