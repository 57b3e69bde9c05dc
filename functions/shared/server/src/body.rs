//! Bodies of requests, within bounds, and the samples in them.
//!
//! Bytes are counted before they are held. A packed body is unpacked into room that was reserved for
//! it: first as much as such bodies take, and only if that is not enough as much as any may take. So
//! many small packed bodies pass together while bombs keep each other out.

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use http_body_util::BodyExt;
use intake::{BodyFormat, IncomingBatch, IntakeError, RequestLimits};

use crate::app::App;
use crate::error::RequestError;
use crate::load_shed::ReservedBytes;
use crate::offload::offload;

/// How much longer than sent an unpacked body usually is at most: JSON of samples packs 8 to 12 fold.
const PACKED_FOLD: usize = 16;

/// Least room for an unpacked body, in bytes, below which reserving in two steps saves nothing.
const UNPACKED_ROOM_MIN: usize = 64 << 10;

/// Longest JSON text that is no batch of samples, unpacked, in bytes: twenty times what a configuration may hold.
const JSON_LEN_MAX: usize = 64 << 10;

/// The samples of a request.
#[derive(Debug)]
pub(crate) struct Samples {
    /// Good ones and bad ones.
    pub(crate) batch: IncomingBatch,
    /// The bytes that they came in: what they take now is of the same size.
    pub(crate) held: ReservedBytes,
}

/// Reads the samples of a request.
pub(crate) async fn read_samples(app: &App, request: Request) -> Result<Samples, RequestError> {
    let limits = app.limits();
    let Sent { format, encoding, bytes: sent, mut held } = receive(app, request).await?;
    let n_bytes = if encoding.is_some() { sent.len() * PACKED_FOLD } else { sent.len() };
    offload(n_bytes, move || {
        let unpacked = unpack(&sent, encoding.as_deref(), &limits, &mut held)?;
        let batch = intake::parse(&unpacked, format, &limits)?;
        Ok(Samples { batch, held })
    })
    .await
}

/// Reads the body of a request that is one small JSON text.
pub(crate) async fn read_json(app: &App, request: Request) -> Result<Vec<u8>, RequestError> {
    let Sent { encoding, bytes, mut held, .. } = receive(app, request).await?;
    // Unpacked in place, since it has no use for more.
    let limits = RequestLimits { unpacked_bytes_max: JSON_LEN_MAX, ..app.limits() };
    Ok(unpack(&bytes, encoding.as_deref(), &limits, &mut held)?.into_owned())
}

/// All values of a header as one text; bytes that are none become such as no name has.
fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<Cow<'_, str>> =
        headers.get_all(name).iter().map(|it| String::from_utf8_lossy(it.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// A body as sent, with what its headers say of it.
struct Sent {
    format: BodyFormat,
    encoding: Option<String>,
    bytes: Vec<u8>,
    held: ReservedBytes,
}

/// Reads a body as sent.
async fn receive(app: &App, request: Request) -> Result<Sent, RequestError> {
    let (parts, body) = request.into_parts();
    let format = BodyFormat::from_content_type(header(&parts.headers, &CONTENT_TYPE).as_deref())?;
    let encoding = header(&parts.headers, &CONTENT_ENCODING);
    let (bytes, held) = receive_bytes(app, &parts.headers, body).await?;
    Ok(Sent { format, encoding, bytes, held })
}

async fn receive_bytes(
    app: &App,
    headers: &HeaderMap,
    mut body: Body,
) -> Result<(Vec<u8>, ReservedBytes), RequestError> {
    let len_max = app.limits().body_bytes_max;
    let declared = headers.get(CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse().ok());
    let declared: usize = declared.unwrap_or_default();
    if declared > len_max {
        return Err(IntakeError::BodyTooLarge { len: declared, len_max }.into());
    }
    // What is announced must fit now, but holds nothing: a few silent connections would keep everybody else out.
    drop(app.load().hold(declared)?);
    let mut held = app.load().hold(0)?;
    let mut sent = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|source| RequestError::BodyInterrupted { source })?;
        let Ok(part) = frame.into_data() else { continue };
        let len = sent.len() + part.len();
        if len > len_max {
            return Err(IntakeError::BodyTooLarge { len, len_max }.into());
        }
        held.resize(len)?;
        sent.extend_from_slice(&part);
    }
    Ok((sent, held))
}

/// Undoes the content encoding within reserved room.
fn unpack<'a>(
    sent: &'a [u8],
    encoding: Option<&str>,
    limits: &RequestLimits,
    held: &mut ReservedBytes,
) -> Result<Cow<'a, [u8]>, RequestError> {
    if encoding.is_none() {
        return Ok(intake::unpack(sent, None, limits)?);
    }
    let usual = (sent.len() * PACKED_FOLD).max(UNPACKED_ROOM_MIN).min(limits.unpacked_bytes_max);
    let first = unpack_into(usual, sent, encoding, limits, held);
    match first {
        Err(RequestError::Intake(IntakeError::UnpackedTooLarge { .. }))
            if usual < limits.unpacked_bytes_max =>
        {
            unpack_into(limits.unpacked_bytes_max, sent, encoding, limits, held)
        }
        _ => first,
    }
}

fn unpack_into<'a>(
    room: usize,
    sent: &'a [u8],
    encoding: Option<&str>,
    limits: &RequestLimits,
    held: &mut ReservedBytes,
) -> Result<Cow<'a, [u8]>, RequestError> {
    held.resize(sent.len() + room)?;
    let limits = RequestLimits { unpacked_bytes_max: room, ..*limits };
    let unpacked = intake::unpack(sent, encoding, &limits)?;
    held.resize(sent.len() + unpacked.len())?;
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::load_shed::InFlight;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn only_what_is_unpacked_stays_held() {
        let limits = RequestLimits::default();
        for len in [10, 300_000, limits.unpacked_bytes_max] {
            let sent = gzip(&vec![b' '; len]);
            let load = InFlight::new(1, 64 << 20);
            let mut held = load.hold(sent.len()).unwrap();
            let unpacked = unpack(&sent, Some("gzip"), &limits, &mut held).unwrap();
            assert_eq!((unpacked.len(), held.n_bytes()), (len, sent.len() + len));
        }
    }

    #[test]
    fn a_bomb_needs_room_for_the_largest_body_before_it_is_unpacked() {
        let limits = RequestLimits::default();
        let bomb = gzip(&vec![b' '; limits.unpacked_bytes_max]);
        let small = gzip(&[b' '; 1_000]);
        let load = InFlight::new(1, 4 << 20);
        let code = |sent: &[u8]| {
            let mut held = load.hold(sent.len()).unwrap();
            unpack(sent, Some("gzip"), &limits, &mut held).map_err(|error| error.code()).err()
        };
        assert_eq!(code(&bomb), Some("overloaded"));
        assert_eq!(code(&small), None);
    }
}
