//! Token bucket of a tenant: limits its samples per second.
//!
//! Processes take tokens in blocks, so that most requests need no round trip. A process loses at most one unused block.
//! `take_tokens.lua` computes the same.

/// Tokens to take from a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRequest {
    /// Tokens added per second, at least one.
    pub rate_per_s: u64,
    /// Most tokens in the bucket.
    pub burst: u64,
    /// Fewest tokens to grant.
    pub min: u64,
    /// Most tokens to grant.
    pub max: u64,
}

/// Tokens taken from a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenGrant {
    /// Tokens granted; 0 if the bucket has fewer than the minimum.
    pub granted: u64,
    /// Time until the bucket has the minimum, in microseconds; 0 if tokens were granted.
    pub wait_us: i64,
}

/// A bucket in the memory of this process.
#[derive(Debug, Clone, Copy)]
pub struct TokenBucket {
    tokens: f64,
    at_us: i64,
}

impl TokenBucket {
    /// A full bucket at `now_us`, in microseconds since any begin.
    pub fn new(now_us: i64, burst: u64) -> Self {
        Self { tokens: burst as f64, at_us: now_us }
    }

    /// Refills the bucket up to `now_us`, and takes tokens.
    pub fn take(&mut self, now_us: i64, request: &TokenRequest) -> TokenGrant {
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
