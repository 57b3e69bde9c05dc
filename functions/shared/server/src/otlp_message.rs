//! The messages of OTLP that a receiver sends: the answer to an export, and `google.rpc.Status`.
//!
//! Both have two or three fields, so they are written by hand, as Protocol Buffers and as JSON.

use axum::http::StatusCode;
use serde_json::json;

/// `google.rpc.Status` as Protocol Buffers.
pub(crate) fn status_binary(status: StatusCode, message: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_number(&mut bytes, 1, u64::from(rpc_code(status)));
    put_bytes(&mut bytes, 2, message.as_bytes());
    bytes
}

/// `google.rpc.Status` as JSON.
pub(crate) fn status_json(status: StatusCode, message: &str) -> String {
    json!({ "code": rpc_code(status), "message": message }).to_string()
}

/// `ExportMetricsServiceResponse` as Protocol Buffers; empty if no data point was rejected.
pub(crate) fn export_binary(n_rejected: usize, message: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    if n_rejected > 0 {
        let mut partial = Vec::new();
        put_number(&mut partial, 1, n_rejected as u64);
        put_bytes(&mut partial, 2, message.as_bytes());
        put_bytes(&mut bytes, 1, &partial);
    }
    bytes
}

/// `ExportMetricsServiceResponse` as JSON.
pub(crate) fn export_json(n_rejected: usize, message: &str) -> String {
    if n_rejected == 0 {
        return json!({}).to_string();
    }
    let rejected = n_rejected.to_string();
    let partial = json!({ "rejectedDataPoints": rejected, "errorMessage": message });
    json!({ "partialSuccess": partial }).to_string()
}

/// The code of `google.rpc.Code` for a status.
fn rpc_code(status: StatusCode) -> u32 {
    match status {
        StatusCode::UNAUTHORIZED => 16,
        StatusCode::FORBIDDEN => 7,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => 8,
        StatusCode::SERVICE_UNAVAILABLE => 14,
        StatusCode::GATEWAY_TIMEOUT => 4,
        status if status.is_client_error() => 3,
        _ => 13,
    }
}

fn put_number(bytes: &mut Vec<u8>, field: u8, number: u64) {
    bytes.push(field << 3);
    put_varint(bytes, number);
}

fn put_bytes(bytes: &mut Vec<u8>, field: u8, content: &[u8]) {
    bytes.push(field << 3 | 2);
    put_varint(bytes, content.len() as u64);
    bytes.extend_from_slice(content);
}

fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
