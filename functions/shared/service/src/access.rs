//! Who may do what: bearer API keys, each of one tenant, with rights.
//!
//! A configuration holds hashes and never a key. Keys are 256 random bits, made by [`MadeKey`], so a plain SHA-256 is
//! all that their hash needs: there is nothing to guess. The tenant of a request is the tenant of its key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::str::FromStr;

use domain::Tenant;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

/// Most keys of one tenant with one right: the one in use, and the one that replaces it.
pub const KEYS_MAX: usize = 2;

/// Longest name of a tenant, in bytes: it is part of every key of the store.
pub const TENANT_LEN_MAX: usize = 64;

/// How a key begins, so that scanners for leaked secrets can know it.
const KEY_PREFIX: &str = "tmk_";

/// Random bytes of a key.
const KEY_LEN: usize = 32;

/// What a key may be used for. No right includes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Right {
    /// Sending samples.
    Write,
    /// Reading series, anomalies and configurations, and judging what is not stored.
    Read,
    /// Configuring and forgetting series.
    Admin,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 3] = [Self::Write, Self::Read, Self::Admin];

    /// Its name in entries, errors and the API's description.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

/// The rights of one key: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights(BTreeSet<Right>);

impl FromStr for Rights {
    type Err = String;

    /// Reads `write`, `read+admin` and the like.
    fn from_str(text: &str) -> Result<Self, String> {
        let right = |name| Right::ALL.into_iter().find(|right| right.as_str() == name);
        let rights: Option<BTreeSet<Right>> = text.split('+').map(right).collect();
        rights.map(Self).ok_or_else(|| {
            "the rights are not known: `write`, `read`, `admin` or several with `+` between are wanted".to_owned()
        })
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|right| right.as_str()).collect();
        f.write_str(&names.join("+"))
    }
}

/// Who is served.
#[derive(Debug, Clone)]
pub enum Access {
    /// Whoever can reach the process, as the tenant `default`.
    Open,
    /// Those who bring a key.
    Keys(ApiKeys),
}

/// Why somebody is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AccessError {
    /// There is no key.
    #[error("an API key is missing: the header `Authorization: Bearer <key>` is wanted, once")]
    CredentialMissing,
    /// Nobody has that key.
    #[error("the API key is not known")]
    CredentialUnknown,
    /// The key is known, and not for this.
    #[error("the API key has no right `{}`", right.as_str())]
    RightMissing {
        /// What is needed.
        right: Right,
    },
}

impl AccessError {
    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::CredentialMissing => "credential_missing",
            Self::CredentialUnknown => "credential_unknown",
            Self::RightMissing { .. } => "right_missing",
        }
    }

    /// Whether another credential is wanted, and not another right.
    pub fn is_unauthorized(&self) -> bool {
        !matches!(self, Self::RightMissing { .. })
    }
}

impl Access {
    /// The tenant of a request that brings `key` and needs `right`.
    pub fn admit(&self, key: Option<&str>, right: Right) -> Result<Tenant, AccessError> {
        match self {
            Self::Open => Ok(Tenant::default()),
            Self::Keys(keys) => keys.admit(key.ok_or(AccessError::CredentialMissing)?, right),
        }
    }
}

/// The hashes of the keys that are known.
#[derive(Clone)]
pub struct ApiKeys {
    entries: Vec<Entry>,
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys").field("n_entries", &self.entries.len()).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Entry {
    tenant: Tenant,
    rights: Rights,
    hash: [u8; 32],
}

impl ApiKeys {
    /// Reads entries `tenant:rights:sha256-hex`, with commas or white space between; `#` begins a comment.
    ///
    /// On mistakes, a sentence for each. None quotes an entry, which may hold a key by mistake.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
        let texts = lines.flat_map(|line| line.split([',', ' ', '\t'])).filter(|it| !it.is_empty());
        let (mut entries, mut mistakes) = (Vec::new(), Vec::new());
        for (i, text) in texts.enumerate() {
            match text.parse::<Entry>() {
                Ok(entry) => entries.push(entry),
                Err(mistake) => mistakes.push(format!("entry {}: {mistake}", i + 1)),
            }
        }
        if entries.is_empty() && mistakes.is_empty() {
            mistakes.push("holds no entry: `tenant:rights:sha256-hex` is wanted".to_owned());
        }
        mistakes.extend(conflicts(&entries));
        if mistakes.is_empty() { Ok(Self { entries }) } else { Err(mistakes) }
    }

    /// Looks at every entry, whichever matches: the time it takes says nothing of them.
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

impl FromStr for Entry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let [tenant, rights, hash] = text.split(':').collect::<Vec<_>>()[..] else {
            return Err("`tenant:rights:sha256-hex` is wanted".to_owned());
        };
        let hash = from_hex(hash).ok_or_else(|| {
            "the hash is not 64 hexadecimal digits; the key itself does not belong here".to_owned()
        })?;
        Ok(Self { tenant: tenant_of(tenant)?, rights: rights.parse()?, hash })
    }
}

/// What no two entries may say together.
fn conflicts(entries: &[Entry]) -> Vec<String> {
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
            "tenant `{tenant}` has {n} keys with `{right}`: at most {KEYS_MAX} are wanted"
        ));
    }
    if tenants.values().any(|tenants| tenants.len() > 1) {
        mistakes.push("one key belongs to several tenants: a key for each is wanted".to_owned());
    }
    mistakes
}

/// Checks the name of a tenant.
/// The tenant of that name, where it may be one of a configuration.
pub(crate) fn tenant_of(name: &str) -> Result<Tenant, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if (1..=TENANT_LEN_MAX).contains(&name.len()) && name.bytes().all(is_plain) {
        return Ok(Tenant::new(name));
    }
    Err(format!("the tenant is not 1 to {TENANT_LEN_MAX} characters of `A-Za-z0-9_.-`"))
}

/// A new key, with the entry by which a configuration knows it.
#[derive(Clone, PartialEq, Eq)]
pub struct MadeKey {
    /// The key, for whoever uses it.
    pub key: String,
    /// The entry, for the configuration.
    pub entry: String,
}

impl fmt::Debug for MadeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeKey").finish_non_exhaustive()
    }
}

impl MadeKey {
    /// Makes a key of `tenant` with `rights`, from the random numbers of the system.
    pub fn new(tenant: &str, rights: &str) -> Result<Self, String> {
        let mut random = [0; KEY_LEN];
        getrandom::fill(&mut random)
            .map_err(|error| format!("the system has no random numbers: {error}"))?;
        Self::of(tenant, rights, &random)
    }

    fn of(tenant: &str, rights: &str, random: &[u8; KEY_LEN]) -> Result<Self, String> {
        let (tenant, rights): (Tenant, Rights) = (tenant_of(tenant)?, rights.parse()?);
        let key = format!("{KEY_PREFIX}{}", hex(random));
        let entry = format!("{}:{rights}:{}", tenant.as_str(), hex(&sha256(&key)));
        Ok(Self { key, entry })
    }
}

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(tenant: &str, rights: &str, seed: u8) -> MadeKey {
        MadeKey::of(tenant, rights, &[seed; KEY_LEN]).unwrap()
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
        for (key, right, wanted) in [
            (Some(&one.key), Right::Write, Ok(Tenant::new("one"))),
            (Some(&one.key), Right::Read, Ok(Tenant::new("one"))),
            (Some(&one.key), Right::Admin, missing(Right::Admin)),
            (Some(&other.key), Right::Admin, Ok(Tenant::new("other"))),
            (Some(&other.key), Right::Read, missing(Right::Read)),
            (Some(&made("one", "read", 3).key), Right::Read, Err(AccessError::CredentialUnknown)),
            (None, Right::Read, Err(AccessError::CredentialMissing)),
        ] {
            assert_eq!(access.admit(key.map(String::as_str), right), wanted, "{right:?}");
        }
        // Who reads the configuration cannot use what is in it.
        let hash = one.entry.rsplit(':').next().unwrap();
        let unknown = Err(AccessError::CredentialUnknown);
        assert_eq!(access.admit(Some(hash), Right::Read), unknown);
        assert_eq!(access.admit(Some(""), Right::Read), unknown);
    }

    #[test]
    fn a_hash_is_sha_256_as_every_tool_computes_it() {
        // printf %s abc | sha256sum
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let access = Access::Keys(ApiKeys::parse(&format!("t:read:{hash}")).unwrap());
        assert_eq!(access.admit(Some("abc"), Right::Read), Ok(Tenant::new("t")));
    }

    #[test]
    fn made_keys_differ_and_are_long() {
        let (one, other) = (MadeKey::new("t", "read").unwrap(), MadeKey::new("t", "read").unwrap());
        assert_ne!(one.key, other.key);
        assert_eq!(one.key.len(), KEY_PREFIX.len() + 2 * KEY_LEN);
        assert!(MadeKey::new("a/b", "read").is_err() && MadeKey::new("t", "root").is_err());
    }

    #[test]
    fn a_third_key_of_one_right_is_one_too_many() {
        let entry = |rights, seed| made("t", rights, seed).entry;
        let two = format!("{},{}", entry("read", 1), entry("read+write", 2));
        assert!(ApiKeys::parse(&two).is_ok());
        assert!(ApiKeys::parse(&format!("{two},{}", entry("admin", 3))).is_ok());
        let third = mistakes(&format!("{two},{}", entry("read", 3)));
        assert_eq!(third, ["tenant `t` has 3 keys with `read`: at most 2 are wanted"]);
    }

    #[test]
    fn one_key_has_one_tenant() {
        let entries = format!("{},{}", made("a", "read", 1).entry, made("b", "write", 1).entry);
        assert!(mistakes(&entries)[0].contains("several tenants"));
    }

    #[test]
    fn every_broken_entry_is_named_and_none_is_quoted() {
        let MadeKey { key, entry } = made("t", "read", 1);
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
        assert!(self::mistakes(" # nothing\n")[0].starts_with("holds no entry"));
    }
}
