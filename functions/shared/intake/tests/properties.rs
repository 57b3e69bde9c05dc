//! Properties of every body: no panic, no lost sample, and a round trip of every valid sample.

use std::collections::BTreeMap;
use std::io::Write;

use domain::Series;
use domain::sample::{AT_US_MAX, VALUE_ABS_MAX};
use intake::{BodyFormat, IncomingSample, RequestLimits, parse, unpack};
use proptest::prelude::*;
use serde_json::{Value, json};

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_.:/-]{1,128}|[ -!#-\\[\\]-~é✓]{1,64}"
}

/// Metrics that are not names of fields, so that they are valid keys; of one word, as `m_t` could hold a time.
fn metric() -> impl Strategy<Value = String> {
    "m[a-z]{1,20}".prop_filter("a field", |metric| metric != "metric")
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map(name(), "\\PC{0,20}", 0..4)
}

prop_compose! {
    fn series()(source in name(), metric in metric(), labels in labels()) -> Series {
        Series::new(source, metric, labels).expect("the strategies make valid names")
    }
}

/// Times from 1973 on, which are unambiguous in every unit.
fn at_us() -> impl Strategy<Value = Option<i64>> {
    prop::option::of(100_000_000_000_000..=AT_US_MAX)
}

prop_compose! {
    fn incoming()(
        series in series(),
        at_us in at_us(),
        value in -VALUE_ABS_MAX..VALUE_ABS_MAX,
    ) -> IncomingSample {
        IncomingSample { index: 0, series, at_us, value, kind: domain::SampleKind::Gauge }
    }
}

fn samples() -> impl Strategy<Value = Vec<IncomingSample>> {
    prop::collection::vec(incoming(), 1..20).prop_map(|mut samples| {
        for (index, sample) in samples.iter_mut().enumerate() {
            sample.index = index;
        }
        samples
    })
}

fn time_text(at_us: i64, notation: u8) -> Value {
    match notation % 5 {
        0 => json!(at_us),
        1 => json!(format!("{}.{:03}", at_us / 1_000, at_us % 1_000)),
        2 => json!(format!("{}.{:06}", at_us / 1_000_000, at_us % 1_000_000)),
        3 => json!(format!("{at_us}000")),
        _ => json!(
            jiff::Timestamp::from_microsecond(at_us).expect("the year is below 9999").to_string()
        ),
    }
}

fn canonical(sample: &IncomingSample, notation: u8) -> Value {
    json!({
        "source": sample.series.source(),
        "metric": sample.series.metric(),
        "timestamp": sample.at_us.map(|at_us| time_text(at_us, notation)),
        "value": sample.value,
        "labels": sample.series.labels(),
    })
}

/// The same sample as an object of one value under its metric.
fn keyed(sample: &IncomingSample, notation: u8) -> Value {
    let mut object = json!({
        "source": sample.series.source(),
        "ts": sample.at_us.map(|at_us| time_text(at_us, notation)),
        "labels": sample.series.labels(),
    });
    object[sample.series.metric()] = json!(sample.value);
    object
}

/// Bodies with these samples, each with its format.
fn bodies(objects: &[Value]) -> [(String, BodyFormat); 5] {
    let lines = objects.iter().map(Value::to_string).collect::<Vec<_>>();
    [
        (json!(objects).to_string(), BodyFormat::Json),
        (json!({ "samples": objects }).to_string(), BodyFormat::Json),
        (lines.join("\n"), BodyFormat::Ndjson),
        (lines.join("\r\n"), BodyFormat::Json),
        (lines.concat(), BodyFormat::Json),
    ]
}

/// One object of each kind, good and bad.
fn any_object() -> impl Strategy<Value = Value> {
    prop_oneof![
        (incoming(), any::<u8>()).prop_map(|(sample, notation)| canonical(&sample, notation)),
        (incoming(), any::<u8>()).prop_map(|(sample, notation)| keyed(&sample, notation)),
        Just(json!({"metric": "rps", "value": "NaN"})),
        Just(json!({"metric": "rps"})),
        Just(json!({"rps": 1, "cpu": "x", "labels": {"zone": ["a"]}})),
        Just(json!([1, null, {"a": {}}])),
        Just(json!("text")),
        Just(Value::Null),
    ]
}

/// Valid bodies, then a few bytes replaced, inserted or removed.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, mutation()), 0..6);
    (prop::collection::vec(any_object(), 0..6), 0..5_usize, edits).prop_map(
        |(objects, shape, edits)| {
            let mut body = bodies(&objects)[shape].0.clone().into_bytes();
            for (at, kind, text) in edits {
                let at = at.index(body.len() + 1);
                let removed = at..(at + usize::from(kind)).min(body.len());
                body.splice(removed, text);
            }
            body
        },
    )
}

fn mutation() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        prop::collection::vec(any::<u8>(), 1..3),
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "\n",
            "NaN",
            "-Infinity",
            "1e999",
            "null"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ]
}

proptest! {
    #[test]
    fn any_time_is_in_range_or_rejected(time in "[0-9TZ:.+eE -]{0,40}") {
        for text in [json!(time).to_string(), time] {
            let body = format!("{{\"metric\":\"rps\",\"value\":1,\"timestamp\":{text}}}");
            fuzz::body(body.as_bytes());
        }
    }

    #[test]
    fn arbitrary_text_of_json_characters_does_not_panic(
        body in "[\\[\\]{}:,\"\\\\ \n0-9eE.+NaInfity-]{0,100}",
    ) {
        fuzz::body(body.as_bytes());
    }

    #[test]
    fn mutated_bodies_do_not_panic(body in mutated()) {
        fuzz::body(&body);
    }

    #[test]
    fn valid_samples_round_trip_in_every_form(samples in samples(), notation in any::<u8>()) {
        for write in [canonical, keyed] {
            let objects: Vec<_> = samples.iter().map(|sample| write(sample, notation)).collect();
            for (body, format) in bodies(&objects) {
                let batch = parse(body.as_bytes(), format, &RequestLimits::default()).unwrap();
                prop_assert_eq!(&batch.samples, &samples);
                prop_assert!(batch.rejected.is_empty());
            }
        }
    }

    #[test]
    fn each_value_of_an_object_is_accepted_or_rejected(
        good in prop::collection::btree_map("good[a-z]{0,9}", -1e15..1e15, 1..20),
        bad in prop::collection::btree_set("bad[a-z]{0,9}", 0..20),
    ) {
        let mut object = json!(good);
        for key in &bad {
            object[key] = json!("not a number");
        }
        let batch = parse(object.to_string().as_bytes(), BodyFormat::Json, &RequestLimits::default()).unwrap();
        prop_assert_eq!((batch.samples.len(), batch.rejected.len()), (good.len(), bad.len()));
        let read: BTreeMap<_, _> =
            batch.samples.iter().map(|s| (s.series.metric().to_owned(), s.value)).collect();
        prop_assert_eq!(read, good);
    }

    #[test]
    fn compressed_bodies_round_trip(body in prop::collection::vec(any::<u8>(), 1..2000)) {
        let limits = RequestLimits::default();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(&body).unwrap();
        let gzip = gzip.finish().unwrap();
        prop_assert_eq!(&*unpack(&gzip, Some("gzip"), &limits).unwrap(), &*body);
        let zstd = zstd::stream::encode_all(&*body, 1).unwrap();
        prop_assert_eq!(&*unpack(&zstd, Some("zstd"), &limits).unwrap(), &*body);
    }
}
