//! Reads request bodies within bounds, and parses the samples in them.
//!
//! Bytes are counted before they are stored. The size of a compressed body is unknown, so the room for it is reserved in
//! two steps: first the usual size, and only if that is too small the largest accepted size. So many small compressed
//! bodies are decompressed concurrently, while decompression bombs exclude each other.

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use http_body_util::BodyExt;
use service::{BodyFormat, IncomingBatch, IntakeError, RequestLimits};

use crate::app::App;
use crate::error::RequestError;
use crate::load_shed::ReservedBytes;
use crate::offload::offload;

/// Usual highest compression ratio: JSON of samples compresses 8 to 12 fold.
const COMPRESSION_RATIO: usize = 16;

/// Smallest room that is reserved for a decompressed body, in bytes: below it a second step would save nothing.
const UNPACKED_ROOM_MIN: usize = 64 << 10;

/// Longest decompressed JSON body other than samples, in bytes: twenty times the longest configuration.
const JSON_LEN_MAX: usize = 64 << 10;

/// The samples of a request.
#[derive(Debug)]
pub(crate) struct SamplesBody {
    pub(crate) batch: IncomingBatch,
    /// The reservation for the body. The parsed samples take about as much memory, so it is held as long as they are.
    pub(crate) reserved: ReservedBytes,
}

/// Reads and parses the samples of a request.
pub(crate) async fn read_samples(app: &App, request: Request) -> Result<SamplesBody, RequestError> {
    let limits = app.config().limits;
    let RawBody { format, encoding, bytes, mut reserved } = receive(app, request).await?;
    let n_bytes = if encoding.is_some() { bytes.len() * COMPRESSION_RATIO } else { bytes.len() };
    offload(n_bytes, move || {
        let unpacked = unpack(&bytes, encoding.as_deref(), &limits, &mut reserved)?;
        let batch = service::parse(&unpacked, format, &limits)?;
        Ok(SamplesBody { batch, reserved })
    })
    .await
}

/// Reads the body of a request that is one small JSON text.
pub(crate) async fn read_json(app: &App, request: Request) -> Result<Vec<u8>, RequestError> {
    let RawBody { encoding, bytes, mut reserved, .. } = receive(app, request).await?;
    let limits = RequestLimits { unpacked_bytes_max: JSON_LEN_MAX, ..app.config().limits };
    Ok(unpack(&bytes, encoding.as_deref(), &limits, &mut reserved)?.into_owned())
}

/// All values of a header, joined; bytes that are not UTF-8 are replaced, so that no known name matches.
fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values = headers.get_all(name).iter();
    let values: Vec<Cow<'_, str>> =
        values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// A body as sent, with its format and content encoding.
struct RawBody {
    format: BodyFormat,
    encoding: Option<String>,
    bytes: Vec<u8>,
    reserved: ReservedBytes,
}

async fn receive(app: &App, request: Request) -> Result<RawBody, RequestError> {
    let (parts, body) = request.into_parts();
    let format = BodyFormat::from_content_type(header(&parts.headers, &CONTENT_TYPE).as_deref())?;
    let encoding = header(&parts.headers, &CONTENT_ENCODING);
    let (bytes, reserved) = receive_bytes(app, &parts.headers, body).await?;
    Ok(RawBody { format, encoding, bytes, reserved })
}

async fn receive_bytes(
    app: &App,
    headers: &HeaderMap,
    mut body: Body,
) -> Result<(Vec<u8>, ReservedBytes), RequestError> {
    let len_max = app.config().limits.body_bytes_max;
    let declared = headers.get(CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse().ok());
    let declared: usize = declared.unwrap_or_default();
    if declared > len_max {
        return Err(IntakeError::BodyTooLarge { len: declared, len_max }.into());
    }
    // The declared length must fit now, but is not reserved: a few silent clients would exclude all others.
    drop(app.in_flight().reserve(declared)?);
    let mut reserved = app.in_flight().reserve(0)?;
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|source| RequestError::BodyInterrupted { source })?;
        let Ok(part) = frame.into_data() else { continue };
        let len = bytes.len() + part.len();
        if len > len_max {
            return Err(IntakeError::BodyTooLarge { len, len_max }.into());
        }
        reserved.resize(len)?;
        bytes.extend_from_slice(&part);
    }
    Ok((bytes, reserved))
}

/// Decompresses a body within reserved room.
fn unpack<'a>(
    body: &'a [u8],
    encoding: Option<&str>,
    limits: &RequestLimits,
    reserved: &mut ReservedBytes,
) -> Result<Cow<'a, [u8]>, RequestError> {
    if encoding.is_none() {
        return Ok(service::unpack(body, None, limits)?);
    }
    let len_max = limits.unpacked_bytes_max;
    let usual = (body.len() * COMPRESSION_RATIO).max(UNPACKED_ROOM_MIN).min(len_max);
    let mut unpack_into = |room| {
        reserved.resize(body.len() + room)?;
        let limits = RequestLimits { unpacked_bytes_max: room, ..*limits };
        let unpacked = service::unpack(body, encoding, &limits)?;
        reserved.resize(body.len() + unpacked.len())?;
        Ok(unpacked)
    };
    match unpack_into(usual) {
        Err(RequestError::Intake(IntakeError::UnpackedTooLarge { .. })) if usual < len_max => {
            unpack_into(len_max)
        }
        unpacked => unpacked,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::load_shed::InFlight;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn only_the_unpacked_bytes_stay_reserved() {
        let limits = RequestLimits::default();
        for len in [10, 300_000, limits.unpacked_bytes_max] {
            let body = gzip(&vec![b' '; len]);
            let in_flight = InFlight::new(1, 64 << 20);
            let mut reserved = in_flight.reserve(body.len()).unwrap();
            let unpacked = unpack(&body, Some("gzip"), &limits, &mut reserved).unwrap();
            assert_eq!((unpacked.len(), reserved.n_bytes()), (len, body.len() + len));
        }
    }

    #[test]
    fn a_bomb_is_unpacked_only_with_room_for_the_largest_body() {
        let limits = RequestLimits::default();
        let bomb = gzip(&vec![b' '; limits.unpacked_bytes_max]);
        let small = gzip(&[b' '; 1_000]);
        let in_flight = InFlight::new(1, 4 << 20);
        let code = |body: &[u8]| {
            let mut reserved = in_flight.reserve(body.len()).unwrap();
            unpack(body, Some("gzip"), &limits, &mut reserved).map_err(|error| error.code()).err()
        };
        assert_eq!(code(&bomb), Some("overloaded"));
        assert_eq!(code(&small), None);
    }
}
