//! Lines as senders write them, and lines that are malformed.

use super::*;

fn batch(body: &str) -> IncomingBatch {
    read(body.as_bytes(), TimePrecision::Nanoseconds, &RequestLimits::default()).unwrap()
}

fn texts(batch: &IncomingBatch) -> Vec<String> {
    let text = |sample: &IncomingSample| {
        let IncomingSample { index, series, at_us, value, .. } = sample;
        let (source, metric, labels) = (series.source(), series.metric(), series.labels());
        format!("{index} {source} {metric} {labels:?} {at_us:?} {value}")
    };
    batch.samples.iter().map(text).collect()
}

#[test]
fn a_field_is_a_sample() {
    let batch = batch(
        "cpu,host=a,cpu=cpu0 usage_idle=99.5,usage_user=1i,up=true,note=\"a, b=c\" 1732060800000000000\n\
         # a comment\n\r\n\
         load value=2u\r\n\
         m\\ x\\,y,t\\=1=v\\ w f\\ 1=-1e3 -1000",
    );
    insta::assert_snapshot!(texts(&batch).join("\n"), @r#"
    0 a cpu_usage_idle {"cpu": "cpu0"} Some(1732060800000000) 99.5
    0 a cpu_usage_user {"cpu": "cpu0"} Some(1732060800000000) 1
    0 a cpu_up {"cpu": "cpu0"} Some(1732060800000000) 1
    1 default load {} None 2
    "#);
    let rejected: Vec<_> = batch.rejected.iter().map(|r| (r.index, r.code.as_str())).collect();
    assert_eq!(rejected, [(2, "time_invalid")]);
}

#[test]
fn a_text_may_contain_line_feeds_and_quotes() {
    let batch = batch("a s=\"1\n2 \\\" 3\",v=1\nb v=2\nc s=\"open,v=3\nd v=4");
    let metrics: Vec<_> = batch.samples.iter().map(|s| s.series.metric().to_owned()).collect();
    assert_eq!(metrics, ["a_v", "b_v", "d_v"]);
    assert_eq!(batch.rejected.len(), 1);
}

#[test]
fn a_malformed_line_rejects_only_itself() {
    let lines = [
        ("cpu", "sample_malformed"),
        ("cpu v", "value_not_number"),
        ("cpu v=", "value_not_number"),
        ("cpu =1", "value_not_number"),
        ("cpu v=1x", "value_not_number"),
        ("cpu v=NaN", "value_not_number"),
        ("cpu v=1e400", "value_not_finite"),
        ("cpu v=1 noon", "time_invalid"),
        ("cpu v=1 1 2", "time_invalid"),
        ("cpu,a v=1", "sample_malformed"),
        ("cpu,a= v=1", "sample_malformed"),
        ("cpu,a=1,a=2 v=1", "sample_malformed"),
        (",a=1 v=1", "sample_malformed"),
    ];
    for (line, code) in lines {
        let batch = batch(&format!("{line}\nok v=1"));
        let codes: Vec<_> = batch.rejected.iter().map(|r| r.code.as_str()).collect();
        assert_eq!((codes, batch.samples.len()), (vec![code], 1), "{line}");
    }
}

#[test]
fn precisions_are_units() {
    let cases = [
        ("ns", 1_732_060_800_123_456_789, 1_732_060_800_123_456),
        ("u", 1_732_060_800_123_456, 1_732_060_800_123_456),
        ("ms", 1_732_060_800_123, 1_732_060_800_123_000),
        ("s", 1_732_060_800, 1_732_060_800_000_000),
        ("m", 28_867_680, 1_732_060_800_000_000),
        ("h", 481_128, 1_732_060_800_000_000),
        ("auto", 1_732_060_800, 1_732_060_800_000_000),
        ("auto", 1_732_060_800_123, 1_732_060_800_123_000),
        ("auto", 1_732_060_800_123_456, 1_732_060_800_123_456),
        ("auto", 1_732_060_800_123_456_789, 1_732_060_800_123_456),
    ];
    for (name, time, at_us) in cases {
        let precision = TimePrecision::from_name(name).unwrap();
        assert_eq!(precision.us_of(time), Some(at_us), "{name} {time}");
    }
    assert_eq!(TimePrecision::from_name("d"), None);
    assert_eq!(TimePrecision::Hours.us_of(i64::MAX), None);
}

#[test]
fn lines_past_the_limit_are_counted() {
    let limits = RequestLimits { n_samples_max: 4, ..RequestLimits::default() };
    let body = "a v=1,w=2,x=3\n".repeat(3);
    let batch = read(body.as_bytes(), TimePrecision::Auto, &limits).unwrap();
    assert_eq!((batch.samples.len(), batch.extras.n_unread), (4, 3));
}
