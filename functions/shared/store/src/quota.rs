//! How fast a tenant may send: a bucket of tokens that fills with time.
//!
//! Writers lease tokens in blocks, so that most requests ask nobody. What a process leased and does not use is lost
//! to the tenant, a block at most. `redis/lease.lua` reckons in the same way.

use async_trait::async_trait;

use crate::StoreError;
use domain::Tenant;

/// What is wanted of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Tokens that flow in each second, at least one.
    pub rate_per_s: u64,
    /// Most tokens that it holds.
    pub burst: u64,
    /// With fewer tokens than this nothing is granted.
    pub least: u64,
    /// More tokens than this are not granted.
    pub most: u64,
}

/// What a bucket gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leased {
    /// Tokens; 0 where fewer than the least wanted are there.
    pub granted: u64,
    /// When the least wanted will be there, in microseconds from now; 0 where something was granted.
    pub wait_us: i64,
}

/// Where the buckets of tenants are.
#[async_trait]
pub trait Quotas {
    /// Takes tokens from the bucket of a tenant, which no other tenant shares.
    async fn lease(&self, tenant: &Tenant, wanted: &Lease) -> Result<Leased, StoreError>;
}

/// A bucket in the memory of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    tokens: f64,
    at_us: i64,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(now_us: i64, burst: u64) -> Self {
        Self { tokens: burst as f64, at_us: now_us }
    }

    /// Fills it up to now, and takes from it.
    pub(crate) fn lease(&mut self, now_us: i64, wanted: &Lease) -> Leased {
        let since_us = (now_us - self.at_us).max(0) as f64;
        let filled = self.tokens + since_us * wanted.rate_per_s as f64 / 1e6;
        *self = Self { tokens: filled.min(wanted.burst as f64), at_us: now_us };
        let missing = wanted.least as f64 - self.tokens;
        if missing > 0.0 {
            let wait_us = (missing * 1e6 / wanted.rate_per_s as f64).ceil() as i64;
            return Leased { granted: 0, wait_us };
        }
        let granted = wanted.most.min(self.tokens as u64);
        self.tokens -= granted as f64;
        Leased { granted, wait_us: 0 }
    }
}
