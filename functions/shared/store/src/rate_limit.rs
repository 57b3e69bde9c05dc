//! How fast a tenant may send: a bucket of tokens that fills with time.
//!
//! Writers lease tokens in blocks, so that most requests ask nobody. What a process leased and does not use is lost
//! to the tenant, a block at most. `redis/lease.lua` reckons in the same way.

/// What is wanted of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRequest {
    /// Tokens that flow in each second, at least one.
    pub rate_per_s: u64,
    /// Most tokens that it holds.
    pub burst: u64,
    /// With fewer tokens than this nothing is granted.
    pub min: u64,
    /// More tokens than this are not granted.
    pub max: u64,
}

/// What a bucket gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenGrant {
    /// Tokens; 0 where fewer than the least wanted are there.
    pub granted: u64,
    /// When the least wanted will be there, in microseconds from now; 0 where something was granted.
    pub wait_us: i64,
}

/// A bucket in the memory of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenBucket {
    tokens: f64,
    at_us: i64,
}

impl TokenBucket {
    /// A full one.
    pub(crate) fn new(now_us: i64, burst: u64) -> Self {
        Self { tokens: burst as f64, at_us: now_us }
    }

    /// Fills it up to now, and takes from it.
    pub(crate) fn take(&mut self, now_us: i64, request: &TokenRequest) -> TokenGrant {
        let since_us = (now_us - self.at_us).max(0) as f64;
        let filled = self.tokens + since_us * request.rate_per_s as f64 / 1e6;
        *self = Self { tokens: filled.min(request.burst as f64), at_us: now_us };
        let missing = request.min as f64 - self.tokens;
        if missing > 0.0 {
            let wait_us = (missing * 1e6 / request.rate_per_s as f64).ceil() as i64;
            return TokenGrant { granted: 0, wait_us };
        }
        let granted = request.max.min(self.tokens as u64);
        self.tokens -= granted as f64;
        TokenGrant { granted, wait_us: 0 }
    }
}
