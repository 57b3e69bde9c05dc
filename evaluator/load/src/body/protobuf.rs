//! Samples as Protocol Buffers: remote write and OTLP, field by field.
//!
//! Written by hand into a reused buffer, for the same reason as JSON: an encoder that builds a tree of messages would
//! take more processor time than the deployment.

use crate::body::sequence::LoadSample;

/// Appends a series with its sample: a `TimeSeries` of `prometheus.WriteRequest`.
pub(super) fn push_time_series(name: &[u8], source: &str, sample: LoadSample, out: &mut Vec<u8>) {
    message(1, out, |out| {
        for (label, value) in [("__name__", name), ("job", source.as_bytes())] {
            message(1, out, |out| {
                bytes(1, label.as_bytes(), out);
                bytes(2, value, out);
            });
        }
        message(2, out, |out| {
            fixed64(1, sample.value().to_bits(), out);
            out.push(2 << 3);
            varint(sample.at_us as u64 / 1_000, out);
        });
    });
}

/// Appends metrics of one source, which `each` writes: an `ExportMetricsServiceRequest`.
pub(super) fn push_export(source: &str, out: &mut Vec<u8>, each: impl FnOnce(&mut Vec<u8>)) {
    message(1, out, |out| {
        message(1, out, |out| {
            message(1, out, |out| {
                bytes(1, b"service.name", out);
                message(2, out, |out| bytes(1, source.as_bytes(), out));
            });
        });
        message(2, out, each);
    });
}

/// Appends a gauge with one data point: a `Metric`.
pub(super) fn push_gauge(name: &[u8], sample: LoadSample, out: &mut Vec<u8>) {
    message(2, out, |out| {
        bytes(1, name, out);
        message(5, out, |out| {
            message(1, out, |out| {
                fixed64(3, sample.at_us as u64 * 1_000, out);
                fixed64(4, sample.value().to_bits(), out);
            });
        });
    });
}

/// Appends a message, of which the length is known once it is written.
fn message(field: u8, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(field << 3 | 2);
    let start = out.len();
    out.push(0);
    write(out);
    let len = out.len() - start - 1;
    if len < 0x80 {
        out[start] = len as u8;
        return;
    }
    let mut prefix = Vec::with_capacity(10);
    varint(len as u64, &mut prefix);
    out.splice(start..=start, prefix);
}

fn bytes(field: u8, content: &[u8], out: &mut Vec<u8>) {
    out.push(field << 3 | 2);
    varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

fn fixed64(field: u8, bits: u64, out: &mut Vec<u8>) {
    out.push(field << 3 | 1);
    out.extend_from_slice(&bits.to_le_bytes());
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
