//! Bytes in the store that nobody of this project wrote: no panic, and no series that cannot go on.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::cell::RefCell;
use std::collections::BTreeMap;

use detector::{Deployed, Detector, Judge, Memory, Sample, Series};
use proptest::prelude::*;
use redis::Commands;
use store::testbed::{RedisServer, patient_options};
use store::{NewSample, Redis, SeriesKey, SeriesStore, StoreError, Tenant, Topology};
use tokio::runtime::Runtime;

/// A memory as one is stored, of each detector.
fn stored(i: usize) -> Vec<u8> {
    let mut judge = Judge::new(Detector::ALL[i % Detector::ALL.len()]);
    for i in 0..200 {
        let value = if i % 41 == 40 { 900.0 } else { 100.0 + (i % 7) as f64 };
        judge.judge(Sample::new(i * 60_000_000, value).unwrap());
    }
    judge.memory().encode()
}

/// Whatever decodes can be judged on, stored, and judged on again.
fn check(bytes: &[u8]) {
    let Some(memory) = Memory::decode(bytes) else { return };
    let deployed = Deployed { detector: memory.detector, generation: memory.generation };
    let Ok(mut judge) = Judge::restore(deployed, Some(bytes), Vec::new()) else { return };
    let at_us = memory.cursor_us.unwrap_or_default().saturating_add(1).clamp(0, 1 << 50);
    judge.judge(Sample::new(at_us, 1.0).unwrap());
    // What no judge could have come to may not be read again: then the series relearns.
    let again = judge.memory().encode();
    let mut judge = Judge::restore(deployed, Some(&again), Vec::new()).unwrap();
    judge.judge(Sample::new(at_us + 1, 1.0).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_no_memory_and_no_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        is_marked in any::<bool>(),
    ) {
        let marked = [b"TMm1".as_slice(), &bytes].concat();
        check(if is_marked { &marked } else { &bytes });
    }

    #[test]
    fn a_memory_with_a_few_other_bytes_does_not_panic(
        which in 0..8_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        len in any::<prop::sample::Index>(),
        is_cut in prop::bool::weighted(0.2),
    ) {
        let mut bytes = stored(which);
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if is_cut {
            bytes.truncate(len.index(bytes.len()));
        }
        check(&bytes);
    }
}

/// A series of which any key holds something else is read, or is an error of that series; it never stops a process.
#[test]
fn keys_that_hold_garbage_are_told_and_do_not_panic() {
    let server = RedisServer::start();
    let runtime = Runtime::new().unwrap();
    let options = patient_options(server.url(), Topology::Single, 1);
    let store = Redis::new(&options).unwrap();
    let raw = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let raw = RefCell::new(raw);
    let series = Series::new("hostile", "m", BTreeMap::new()).unwrap();
    let key = SeriesKey::new(Tenant::default(), series);
    let sample = NewSample { at_us: Some(1_000_000), value: 1.0 };
    let config = ProptestConfig { cases: 64, ..ProptestConfig::default() };
    proptest!(config, |(
        which in prop::sample::select(vec!["inbox", "window", "memory", "config", "anomalies"]),
        is_set in any::<bool>(),
        garbage in prop::collection::vec(any::<u8>(), 1..80),
    )| {
        assert_eq!(server.cli(&["FLUSHALL"]), "OK");
        let mut raw = raw.borrow_mut();
        runtime.block_on(store.append(&key, &[sample], 0)).unwrap();
        let names: Vec<String> = raw.keys("*:inbox").unwrap();
        let name = names[0].replace("inbox", which);
        let _: () = raw.del(&name).unwrap();
        if is_set {
            let _: () = raw.set(&name, garbage).unwrap();
        } else {
            let _: () = raw.zadd(&name, garbage, 1).unwrap();
        }
        for told in [
            runtime.block_on(store.append(&key, &[sample], 0)).map(|_| ()),
            runtime.block_on(store.read(&key)).map(|_| ()),
            runtime.block_on(store.anomalies(&key, 0, 10)).map(|_| ()),
        ] {
            let is_expected = matches!(
                told,
                Ok(()) | Err(StoreError::Unreadable { .. } | StoreError::Unavailable { .. })
            );
            prop_assert!(is_expected, "{told:?}");
        }
        // It is mended by forgetting it.
        runtime.block_on(store.forget(&key)).unwrap();
        let appended = runtime.block_on(store.append(&key, &[sample], 0)).unwrap();
        prop_assert_eq!(appended.state.unwrap().inbox.len(), 1);
    });
}
