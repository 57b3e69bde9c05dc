//! Bodies of other products: every sample is accepted, rejected or counted.

use intake::{BodyFormat, RequestLimits, TimePrecision, parse};

use crate::body::{SMALL, check_indexes, check_samples};

/// Parses a body as a request of both versions of Prometheus remote write, and decompresses it as one.
pub fn remote_write(bytes: &[u8]) {
    check(bytes, &[BodyFormat::RemoteWriteV1, BodyFormat::RemoteWriteV2]);
    for encoding in ["snappy", "zstd"] {
        if let Ok(body) = BodyFormat::RemoteWriteV1.unpack(bytes, Some(encoding), &SMALL) {
            assert!(body.len() <= SMALL.unpacked_bytes_max, "{} bytes", body.len());
        }
    }
}

/// Parses a body as metrics of OpenTelemetry in both encodings.
pub fn otlp(bytes: &[u8]) {
    check(bytes, &[BodyFormat::OtlpBinary, BodyFormat::OtlpJson]);
}

/// Parses a body as line protocol.
pub fn line_protocol(bytes: &[u8]) {
    let precisions = [TimePrecision::Auto, TimePrecision::Nanoseconds, TimePrecision::Hours];
    check(bytes, &precisions.map(BodyFormat::LineProtocol));
}

/// Parses a body as CloudEvents in each mode, and as a delivery of Firehose.
pub fn delivery(bytes: &[u8]) {
    let formats = [
        BodyFormat::EventContent,
        BodyFormat::StructuredEvent,
        BodyFormat::EventBatch,
        BodyFormat::Firehose,
    ];
    for format in formats {
        for limits in [RequestLimits::default(), SMALL] {
            if let Ok(batch) = parse(bytes, format, &limits) {
                check_samples(&batch, &limits);
                let has_times = batch.samples.iter().all(|sample| sample.at_us.is_some());
                assert!(has_times || format == BodyFormat::EventContent);
            }
        }
    }
}

fn check(bytes: &[u8], formats: &[BodyFormat]) {
    for format in formats {
        for limits in [RequestLimits::default(), SMALL] {
            if let Ok(batch) = parse(bytes, *format, &limits) {
                check_samples(&batch, &limits);
                // A line of which no field has a number has an index, and no sample.
                if !matches!(format, BodyFormat::LineProtocol(_)) {
                    check_indexes(&batch);
                }
            }
        }
    }
}
