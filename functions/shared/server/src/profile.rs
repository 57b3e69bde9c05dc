//! Profiles of this process in the format of `go tool pprof`: gzipped protobuf with function names.
//!
//! The CPU is sampled by a timer signal (`pprof`), the heap by jemalloc, which is the allocator of a binary with the
//! feature `profiling`.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use jemalloc_pprof::{PROF_CTL, activate_jemalloc_profiling};
use pprof::ProfilerGuardBuilder;
use pprof::protos::Message;
use tikv_jemallocator::Jemalloc;

use crate::error::RequestError;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Samples per second: prime to 100, so that work that repeats every 10 ms is sampled at all of its phases.
const HZ: i32 = 99;

/// Starts to sample allocations; earlier ones are missing from profiles.
pub(crate) async fn start_heap_profiling() {
    activate_jemalloc_profiling().await;
}

/// A profile of the allocations in use.
pub(crate) async fn heap_profile() -> Result<Vec<u8>, RequestError> {
    let control = PROF_CTL.as_ref().ok_or_else(|| RequestError::ProfileFailed {
        reason: "jemalloc does not profile: start the process with `_RJEM_MALLOC_CONF=prof:true`"
            .to_owned(),
    })?;
    let mut control = control.clone().lock_owned().await;
    spawn_blocking(move || control.dump_pprof().map_err(|error| failed(&error))).await
}

/// A CPU profile of the next `length`. Fails if another profile is running.
pub(crate) async fn cpu_profile(length: Duration) -> Result<Vec<u8>, RequestError> {
    let guard = ProfilerGuardBuilder::default()
        .frequency(HZ)
        .blocklist(&["libc", "libgcc", "pthread", "vdso"])
        .build()
        .map_err(|error| failed(&error))?;
    tokio::time::sleep(length).await;
    spawn_blocking(move || {
        let report = guard.report().build().map_err(|error| failed(&error))?;
        drop(guard);
        let profile = report.pprof().map_err(|error| failed(&error))?;
        gzip(&profile.encode_to_vec()).map_err(|error| failed(&error))
    })
    .await
}

/// Runs `work` off the workers of the runtime: resolving thousands of symbols takes a second.
async fn spawn_blocking(
    work: impl FnOnce() -> Result<Vec<u8>, RequestError> + Send + 'static,
) -> Result<Vec<u8>, RequestError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| failed(&error))?
}

fn failed(error: &impl std::fmt::Display) -> RequestError {
    RequestError::ProfileFailed { reason: error.to_string() }
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}
