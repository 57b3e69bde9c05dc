//! Cost of reading samples, by format and number.
//!
//! `cargo bench --package intake`; compare rows within one run.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use intake::{BodyFormat, RequestLimits, parse, unpack};

fn main() {
    divan::main();
}

const BATCHES: [usize; 3] = [1, 10, 500];

fn sample(i: usize) -> String {
    let at = 1_732_060_800_000 + 60_000 * i;
    format!(
        r#"{{"source":"checkout","metric":"rps{i}","timestamp":{at},"value":{}.5}}"#,
        800 + i % 90
    )
}

fn samples(n: usize, separator: &str) -> String {
    (0..n).map(sample).collect::<Vec<_>>().join(separator)
}

fn read(bencher: Bencher<'_, '_>, n: usize, body: &str, format: BodyFormat) {
    let limits = RequestLimits::default();
    let counted = bencher.counter(ItemsCount::new(n)).counter(BytesCount::new(body.len()));
    counted.bench_local(|| parse(black_box(body.as_bytes()), format, &limits));
}

#[divan::bench(args = BATCHES)]
fn array(bencher: Bencher<'_, '_>, n: usize) {
    read(bencher, n, &format!("[{}]", samples(n, ",")), BodyFormat::Json);
}

#[divan::bench(args = BATCHES)]
fn lines(bencher: Bencher<'_, '_>, n: usize) {
    read(bencher, n, &samples(n, "\n"), BodyFormat::Ndjson);
}

/// Labels and a time as text, as most senders write them.
#[divan::bench(args = BATCHES)]
fn labelled(bencher: Bencher<'_, '_>, n: usize) {
    let one = |i: usize| {
        format!(
            r#"{{"source":"checkout","metric":"rps","labels":{{"zone":"a","pod":"checkout-{i}"}},"timestamp":"2024-11-20T10:00:{:02}.25Z","value":81.5}}"#,
            i % 60
        )
    };
    let all: Vec<String> = (0..n).map(one).collect();
    read(bencher, n, &format!("[{}]", all.join(",")), BodyFormat::Json);
}

/// Four values per object.
#[divan::bench(args = BATCHES)]
fn wide(bencher: Bencher<'_, '_>, n: usize) {
    let one = |i: usize| {
        format!(
            r#"{{"source":"s{i}","ts":1732060800,"rps":812.5,"cpu":41.0,"memory":0.5,"latency":12}}"#
        )
    };
    let all: Vec<String> = (0..n).map(one).collect();
    read(bencher, 4 * n, &format!("[{}]", all.join(",")), BodyFormat::Json);
}

#[divan::bench(args = ["gzip", "zstd"])]
fn unpacked(bencher: Bencher<'_, '_>, encoding: &str) {
    let body = format!("[{}]", samples(500, ","));
    let packed = match encoding {
        "gzip" => {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut packer, body.as_bytes())
                .and_then(|()| packer.finish())
                .expect("memory takes what is written")
        }
        _ => zstd::encode_all(body.as_bytes(), 1).expect("memory takes what is written"),
    };
    let limits = RequestLimits::default();
    bencher
        .counter(BytesCount::new(body.len()))
        .bench_local(|| unpack(black_box(&packed), Some(encoding), &limits).map(|body| body.len()));
}
