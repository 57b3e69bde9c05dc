//! Reads request bodies within bounds, and parses the samples in them.
//!
//! Bytes are counted before they are stored, and so is what they become: the decompressed body, samples, judges and the
//! answer. A short body is decompressed and parsed at once. A longer one waits for its turn, and is processed on a thread
//! of low priority. The size of a compressed body is unknown, so its turn is for the usual size first, and only if that
//! is too small for the largest one: decompression bombs exclude each other, and not other bodies.

use std::borrow::Cow;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use domain::Tenant;
use http_body_util::BodyExt;
use service::{BodyFormat, IncomingBatch, IntakeError, RequestLimits, ServiceError, low_priority};

use crate::app::App;
use crate::error::RequestError;
use crate::in_flight::WorkPermit;

/// Longest decompressed body that is processed on a worker of the runtime, in bytes: about 0.1 ms.
const SHORT_BYTES_MAX: usize = 16 << 10;

/// Most samples that are stored and judged on a worker of the runtime.
const SHORT_SAMPLES_MAX: usize = 256;

/// Usual highest compression ratio: JSON of samples compresses 8 to 12 fold.
const COMPRESSION_RATIO: usize = 16;

/// Shortest sample in a body, in bytes: `{"m":1},`.
const SAMPLE_LEN_MIN: usize = 8;

/// Decompressed bytes that cost as much of the rate limit as one sample.
const BYTES_PER_TOKEN: usize = 4 << 10;

/// Longest decompressed JSON body other than samples, in bytes: twenty times the longest configuration.
const JSON_LEN_MAX: usize = 64 << 10;

/// Bytes that one sample becomes, beside its part of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SampleCost(usize);

impl SampleCost {
    /// Sample, outcome, a share of the judges that work at once; a verdict only if it is anomalous.
    pub(crate) const FEW_VERDICTS: Self = Self(1_024);
    /// The same with a verdict, as parts and as JSON.
    pub(crate) const ALL_VERDICTS: Self = Self(2_560);

    /// Room for a decompressed body of this length and its samples.
    fn room(self, n_bytes: usize, n_samples: usize) -> usize {
        n_bytes + n_samples * self.0
    }

    /// The same before the samples are known.
    fn room_max(self, n_bytes: usize, limits: &RequestLimits) -> usize {
        self.room(n_bytes, (n_bytes / SAMPLE_LEN_MIN).min(limits.n_samples_max))
    }
}

/// The samples of a request.
#[derive(Debug)]
pub(crate) struct SamplesBody {
    pub(crate) batch: IncomingBatch,
    /// The memory that the request becomes, counted until its answer is sent.
    pub(crate) permit: WorkPermit,
    /// True if the request is processed on threads of low priority.
    pub(crate) is_long: bool,
    /// An error if the store, which has the rate limit, is unavailable.
    pub(crate) admission: Result<(), ServiceError>,
}

/// Reads and parses the samples of a request, and takes them from the rate limit of the tenant.
///
/// Each request costs at least one sample, also one that cannot be parsed.
pub(crate) async fn read_samples(
    app: &App,
    tenant: &Tenant,
    request: Request,
    format: Result<BodyFormat, IntakeError>,
    cost: SampleCost,
) -> Result<SamplesBody, RequestError> {
    // Before the body, so that a tenant above its limit costs little.
    let mut admission = admit(app, tenant, 1).await?;
    let body = receive(app, tenant, request, format?).await?;
    let (n_unpacked, parsed) = match body.unpack_short() {
        Some(unpacked) => (unpacked.len(), parse_short(app, tenant, &body, &unpacked, cost).await),
        None => parse_long(app, tenant, body, cost).await,
    };
    let n_samples = parsed.as_ref().map_or(0, |parsed| parsed.batch.n_read());
    let n_samples_max = app.config().limits.n_samples_max;
    let n_tokens = n_samples.max((n_unpacked / BYTES_PER_TOKEN).min(n_samples_max));
    if admission.is_ok() && n_tokens > 1 {
        admission = admit(app, tenant, n_tokens - 1).await?;
    }
    Ok(SamplesBody { admission, ..parsed? })
}

/// Takes tokens of the rate limit; an unavailable store is the inner error.
async fn admit(
    app: &App,
    tenant: &Tenant,
    n: usize,
) -> Result<Result<(), ServiceError>, RequestError> {
    match app.service().admit(tenant, n).await {
        Err(error) if !error.is_unavailable() => Err(error.into()),
        admission => Ok(admission),
    }
}

/// Parses a short body at once.
async fn parse_short(
    app: &App,
    tenant: &Tenant,
    body: &RawBody,
    unpacked: &[u8],
    cost: SampleCost,
) -> Result<SamplesBody, RequestError> {
    let limits = body.format.limits(app.config().limits);
    let mut permit = app.in_flight().reserve(tenant, cost.room_max(unpacked.len(), &limits))?;
    let batch = service::parse(unpacked, body.format, &limits)?;
    let room = cost.room(unpacked.len(), batch.n_read());
    permit.shrink(room);
    let is_long = batch.n_read() > SHORT_SAMPLES_MAX;
    if is_long {
        drop(permit);
        permit = app.in_flight().turn(tenant, room).await;
    }
    Ok(SamplesBody { batch, permit, is_long, admission: Ok(()) })
}

/// Decompresses and parses a long body in its turn; also returns the decompressed length, or the limit that it exceeds.
async fn parse_long(
    app: &App,
    tenant: &Tenant,
    body: RawBody,
    cost: SampleCost,
) -> (usize, Result<SamplesBody, RequestError>) {
    let limits = body.format.limits(app.config().limits);
    let (bytes, format, encoding) = (body.bytes, body.format, body.encoding);
    let _received = body.permit;
    let len_max = limits.unpacked_bytes_max;
    let usual = if encoding.is_some() { bytes.len() * COMPRESSION_RATIO } else { bytes.len() };
    let mut room = usual.max(SHORT_BYTES_MAX).min(len_max);
    loop {
        // A decoder holds as much again as its window.
        let n_decoder = if encoding.is_some() { room } else { 0 };
        let n_bytes = n_decoder + cost.room_max(room, &limits);
        let mut permit = app.in_flight().turn(tenant, n_bytes).await;
        let (bytes, encoding) = (bytes.clone(), encoding.clone());
        let parsed = low_priority::compute(move || {
            let within = RequestLimits { unpacked_bytes_max: room, ..limits };
            let unpacked = format.unpack(&bytes, encoding.as_deref(), &within)?;
            let batch = service::parse(&unpacked, format, &limits);
            Ok::<_, IntakeError>((unpacked.len(), batch))
        });
        match parsed.await {
            Err(IntakeError::UnpackedTooLarge { .. }) if room < len_max => room = len_max,
            Err(error) => return (room, Err(error.into())),
            Ok((n_unpacked, Err(error))) => return (n_unpacked, Err(error.into())),
            Ok((n_unpacked, Ok(batch))) => {
                permit.shrink(cost.room(n_unpacked, batch.n_read()));
                let body = SamplesBody { batch, permit, is_long: true, admission: Ok(()) };
                return (n_unpacked, Ok(body));
            }
        }
    }
}

/// Reads the body of a request that is one small JSON text.
pub(crate) async fn read_json(
    app: &App,
    tenant: &Tenant,
    request: Request,
) -> Result<Vec<u8>, RequestError> {
    let format = BodyFormat::from_content_type(content_type(request.headers()).as_deref())?;
    let RawBody { encoding, bytes, mut permit, .. } = receive(app, tenant, request, format).await?;
    if encoding.is_some() {
        permit.resize(bytes.len() + 2 * JSON_LEN_MAX)?;
    }
    let limits = RequestLimits { unpacked_bytes_max: JSON_LEN_MAX, ..app.config().limits };
    Ok(service::unpack(&bytes, encoding.as_deref(), &limits)?.into_owned())
}

/// The content type of a request.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<String> {
    header(headers, CONTENT_TYPE.as_str())
}

/// All values of a header, joined; bytes that are not UTF-8 are replaced, so that no known name matches.
pub(crate) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(name).iter();
    let values: Vec<Cow<'_, str>> =
        values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// A body as sent, with its format and content encoding.
struct RawBody {
    format: BodyFormat,
    encoding: Option<String>,
    bytes: Bytes,
    permit: WorkPermit,
}

impl RawBody {
    /// The decompressed body if it is short; `None` if it is long, or cannot be decompressed within that length.
    fn unpack_short(&self) -> Option<Cow<'_, [u8]>> {
        let limits = RequestLimits {
            n_samples_max: usize::MAX,
            body_bytes_max: SHORT_BYTES_MAX,
            unpacked_bytes_max: SHORT_BYTES_MAX,
        };
        self.format.unpack(&self.bytes, self.encoding.as_deref(), &limits).ok()
    }
}

async fn receive(
    app: &App,
    tenant: &Tenant,
    request: Request,
    format: BodyFormat,
) -> Result<RawBody, RequestError> {
    let (parts, body) = request.into_parts();
    let encoding = header(&parts.headers, CONTENT_ENCODING.as_str());
    let encoding = encoding.or_else(|| format.default_encoding().map(str::to_owned));
    let (bytes, permit) = receive_bytes(app, tenant, &parts.headers, body).await?;
    Ok(RawBody { format, encoding, bytes, permit })
}

async fn receive_bytes(
    app: &App,
    tenant: &Tenant,
    headers: &HeaderMap,
    mut body: Body,
) -> Result<(Bytes, WorkPermit), RequestError> {
    let len_max = app.config().limits.body_bytes_max;
    let declared = headers.get(CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse().ok());
    let declared: usize = declared.unwrap_or_default();
    if declared > len_max {
        return Err(IntakeError::BodyTooLarge { len: declared, len_max }.into());
    }
    // The declared length must fit now, but is not reserved: a few silent clients would exclude all others.
    drop(app.in_flight().reserve(tenant, declared)?);
    let mut permit = app.in_flight().reserve(tenant, 0)?;
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|source| RequestError::BodyInterrupted { source })?;
        let Ok(part) = frame.into_data() else { continue };
        let len = bytes.len() + part.len();
        if len > len_max {
            return Err(IntakeError::BodyTooLarge { len, len_max }.into());
        }
        permit.resize(len)?;
        bytes.extend_from_slice(&part);
    }
    Ok((bytes.into(), permit))
}
