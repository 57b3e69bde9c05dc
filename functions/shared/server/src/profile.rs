//! Profiles of this process, in the format of `go tool pprof`: packed protobuf with names of functions.
//!
//! The processors' is sampled by a timer signal (`pprof`); the heap's by jemalloc, which is the allocator of a binary
//! that has this. Only there with the feature `profiling`.

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use jemalloc_pprof::{PROF_CTL, activate_jemalloc_profiling};
use pprof::{Frames, ProfilerGuardBuilder, Report};
use tikv_jemallocator::Jemalloc;

use crate::error::RequestError;

/// It samples the heap, and gives memory back sooner than that of the system.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Samples a second: no divisor of what happens every hundredth.
const HZ: i32 = 99;

/// Begins to sample the heap; what is allocated before is not seen.
pub(crate) async fn watch_heap() {
    activate_jemalloc_profiling().await;
}

/// What the heap holds.
pub(crate) async fn held() -> Result<Vec<u8>, RequestError> {
    let control = PROF_CTL.as_ref().ok_or_else(|| RequestError::ProfileFailed {
        reason: "jemalloc samples nothing: `_RJEM_MALLOC_CONF=prof:true` is wanted when it starts"
            .to_owned(),
    })?;
    let mut control = control.clone().lock_owned().await;
    off_the_workers(move || control.dump_pprof().map_err(|error| failed(&error))).await
}

/// Where the processors spend their time.
pub(crate) async fn cpu(length: Duration) -> Result<Vec<u8>, RequestError> {
    // One at a time: a second one finds the timer taken, and says so.
    let guard = ProfilerGuardBuilder::default()
        .frequency(HZ)
        .blocklist(&["libc", "libgcc", "pthread", "vdso"])
        .build()
        .map_err(|error| failed(&error))?;
    tokio::time::sleep(length).await;
    off_the_workers(move || {
        let report = guard.report().build().map_err(|error| failed(&error))?;
        drop(guard);
        pack(&encode(&report, length)).map_err(|error| failed(&error))
    })
    .await
}

/// Finding the names of thousands of addresses takes a second, in which requests are to be served.
async fn off_the_workers(
    work: impl FnOnce() -> Result<Vec<u8>, RequestError> + Send + 'static,
) -> Result<Vec<u8>, RequestError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| failed(&error))?
}

fn failed(error: &impl std::fmt::Display) -> RequestError {
    RequestError::ProfileFailed { reason: error.to_string() }
}

fn pack(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes)?;
    packer.finish()
}

/// The message `Profile` of `profile.proto` (<https://github.com/google/pprof>), whose numbers of fields these are.
fn encode(report: &Report, length: Duration) -> Vec<u8> {
    let mut tables = Tables::default();
    let mut profile = Message::default();
    let period_ns = 1_000_000_000 / i64::from(HZ);
    for (kind, unit) in [("samples", "count"), ("cpu", "nanoseconds")] {
        profile.message(1, &tables.value_type(kind, unit));
    }
    for (frames, n) in &report.data {
        let locations = tables.locations(frames);
        let mut sample = Message::default();
        sample.packed(1, &locations);
        sample.packed(2, &[*n as u64, (*n as i64 * period_ns) as u64]);
        profile.message(2, &sample);
    }
    profile.varint(10, length.as_nanos() as u64);
    profile.message(11, &tables.value_type("cpu", "nanoseconds"));
    profile.varint(12, period_ns as u64);
    tables.write(&mut profile);
    profile.bytes
}

/// Functions and texts, each once.
#[derive(Default)]
struct Tables {
    texts: Vec<String>,
    text_ids: HashMap<String, u64>,
    locations: Vec<Message>,
    functions: Vec<Message>,
    function_ids: HashMap<(String, String), u64>,
    location_ids: HashMap<(u64, u32), u64>,
}

impl Tables {
    /// The number of a text; that of the empty one is 0.
    fn text(&mut self, text: &str) -> u64 {
        if text.is_empty() {
            return 0;
        }
        if let Some(id) = self.text_ids.get(text) {
            return *id;
        }
        self.texts.push(text.to_owned());
        let id = self.texts.len() as u64;
        self.text_ids.insert(text.to_owned(), id);
        id
    }

    fn value_type(&mut self, kind: &str, unit: &str) -> Message {
        let mut message = Message::default();
        message.varint(1, self.text(kind));
        message.varint(2, self.text(unit));
        message
    }

    /// The numbers of the places of a stack, the innermost first; a function that was inlined has its own.
    fn locations(&mut self, frames: &Frames) -> Vec<u64> {
        let symbols = frames.frames.iter().flatten();
        symbols
            .map(|symbol| {
                let function = self.function(symbol.name(), symbol.filename().into_owned());
                self.location(function, symbol.lineno())
            })
            .collect()
    }

    fn function(&mut self, name: String, file: String) -> u64 {
        let key = (name, file);
        if let Some(id) = self.function_ids.get(&key) {
            return *id;
        }
        let id = self.functions.len() as u64 + 1;
        let mut function = Message::default();
        function.varint(1, id);
        let name = self.text(&key.0);
        function.varint(2, name);
        function.varint(3, name);
        function.varint(4, self.text(&key.1));
        self.functions.push(function);
        self.function_ids.insert(key, id);
        id
    }

    fn location(&mut self, function: u64, line_number: u32) -> u64 {
        if let Some(id) = self.location_ids.get(&(function, line_number)) {
            return *id;
        }
        let id = self.locations.len() as u64 + 1;
        let mut line = Message::default();
        line.varint(1, function);
        line.varint(2, u64::from(line_number));
        let mut location = Message::default();
        location.varint(1, id);
        location.message(4, &line);
        self.locations.push(location);
        self.location_ids.insert((function, line_number), id);
        id
    }

    fn write(&self, profile: &mut Message) {
        self.locations.iter().for_each(|location| profile.message(4, location));
        self.functions.iter().for_each(|function| profile.message(5, function));
        profile.bytes(6, b"");
        self.texts.iter().for_each(|text| profile.bytes(6, text.as_bytes()));
    }
}

/// A protobuf message that is being written.
#[derive(Debug, Default)]
struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn varint(&mut self, field: u64, value: u64) {
        self.raw(field << 3);
        self.raw(value);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.raw(field << 3 | 2);
        self.raw(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.bytes);
    }

    fn packed(&mut self, field: u64, values: &[u64]) {
        let mut inner = Self::default();
        for value in values {
            inner.raw(*value);
        }
        self.message(field, &inner);
    }

    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    fn raw(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}
