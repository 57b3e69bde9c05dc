//! Format of a body, by its content type.
//!
//! Tolerates harmless habits (`curl -d` declares a form, many senders declare nothing) but not another character set: a
//! name in Latin-1 would become another series.

use std::borrow::Cow;

use crate::error::IntakeError;
use crate::limits::RequestLimits;
use crate::line_protocol::TimePrecision;
use crate::sample_fault::clip;
use crate::snappy;
use crate::unpack::unpack;

/// Longest content type that an error quotes, in bytes.
const QUOTED_LEN_MAX: usize = 100;

/// Format of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BodyFormat {
    /// One JSON value: an object, an array, or `{"samples":[...]}`.
    Json,
    /// One JSON object per line.
    Ndjson,
    /// Prometheus remote write 1.0.
    RemoteWriteV1,
    /// Prometheus remote write 2.0.
    RemoteWriteV2,
    /// Metrics of OpenTelemetry as Protocol Buffers.
    OtlpBinary,
    /// Metrics of OpenTelemetry as JSON.
    OtlpJson,
    /// InfluxDB line protocol with times in this unit.
    LineProtocol(TimePrecision),
    /// Content of one CloudEvent in the binary mode, whose attributes are headers.
    EventContent,
    /// One CloudEvent in the structured mode.
    StructuredEvent,
    /// CloudEvents in the batch mode.
    EventBatch,
    /// Records that Amazon Data Firehose delivers to an HTTP endpoint.
    Firehose,
}

/// Content types of CloudEvents.
const CLOUD_EVENT_TYPES: &str = "`application/cloudevents+json`, `application/cloudevents-batch+json`, or the headers \
                                 `ce-specversion`, `ce-id`, `ce-source` and `ce-type` with any other";

/// Halves of the limit on the unpacked body that OpenTelemetry may use: each data point repeats names and attributes, so
/// that 10,000 of them have 20 MiB.
const OTLP_UNPACKED_HALVES: usize = 5;

/// Content types of Prometheus remote write.
const REMOTE_WRITE_TYPES: &str = "application/x-protobuf, with `proto=prometheus.WriteRequest` or \
                                  `proto=io.prometheus.write.v2.Request`";

/// Content encodings of Prometheus remote write.
const REMOTE_WRITE_ENCODINGS: &str = "snappy (block format) or zstd";

impl BodyFormat {
    /// Parses a `Content-Type`; a missing one means JSON.
    ///
    /// Ignores parameters, except a `charset` other than UTF-8, which is an error.
    pub fn from_content_type(content_type: Option<&str>) -> Result<Self, IntakeError> {
        let content_type = content_type.unwrap_or_default();
        let unknown =
            || IntakeError::ContentTypeUnknown(clip(content_type.to_owned(), QUOTED_LEN_MAX));
        let mut parts = content_type.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        if !parts.all(is_harmless) {
            return Err(unknown());
        }
        match media_type.as_str() {
            // `curl -d` declares a form by default.
            "" | "application/json" | "text/json" | "application/x-www-form-urlencoded" => {
                Ok(Self::Json)
            }
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/jsonlines" => Ok(Self::Ndjson),
            _ => Err(unknown()),
        }
    }
}

impl BodyFormat {
    /// Parses the `Content-Type` of Prometheus remote write; a missing one, or one without `proto`, means version 1.0.
    pub fn of_remote_write(content_type: Option<&str>) -> Result<Self, IntakeError> {
        let content_type = content_type.unwrap_or_default();
        let unsupported = || IntakeError::TypeUnsupported {
            found: clip(content_type.to_owned(), QUOTED_LEN_MAX),
            wanted: REMOTE_WRITE_TYPES,
        };
        let mut parts = content_type.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        if !media_type.is_empty() && !media_type.eq_ignore_ascii_case("application/x-protobuf") {
            return Err(unsupported());
        }
        let mut parameters = parts.filter_map(|parameter| parameter.split_once('='));
        let message = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("proto"));
        match message.map(|(_, message)| message.trim().trim_matches('"')) {
            None | Some("prometheus.WriteRequest") => Ok(Self::RemoteWriteV1),
            Some("io.prometheus.write.v2.Request") => Ok(Self::RemoteWriteV2),
            Some(_) => Err(unsupported()),
        }
    }

    /// Parses the `Content-Type` of OTLP.
    pub fn of_otlp(content_type: Option<&str>) -> Result<Self, IntakeError> {
        let content_type = content_type.unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("application/x-protobuf") {
            Ok(Self::OtlpBinary)
        } else if media_type.eq_ignore_ascii_case("application/json") {
            Ok(Self::OtlpJson)
        } else {
            Err(IntakeError::TypeUnsupported {
                found: clip(content_type.to_owned(), QUOTED_LEN_MAX),
                wanted: "application/x-protobuf or application/json",
            })
        }
    }

    /// Parses the `Content-Type` of CloudEvents; `is_binary` is true if the attributes are headers.
    pub fn of_cloud_event(
        content_type: Option<&str>,
        is_binary: bool,
    ) -> Result<Self, IntakeError> {
        let content_type = content_type.unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("application/cloudevents+json") {
            return Ok(Self::StructuredEvent);
        }
        if media_type.eq_ignore_ascii_case("application/cloudevents-batch+json") {
            return Ok(Self::EventBatch);
        }
        // Another encoding of the structured mode is not read.
        let is_structured = media_type.to_ascii_lowercase().starts_with("application/cloudevents");
        if is_binary && !is_structured {
            return Ok(Self::EventContent);
        }
        Err(IntakeError::TypeUnsupported {
            found: clip(content_type.to_owned(), QUOTED_LEN_MAX),
            wanted: CLOUD_EVENT_TYPES,
        })
    }

    /// The limits of a request in this format.
    pub fn limits(self, limits: RequestLimits) -> RequestLimits {
        match self {
            Self::OtlpBinary | Self::OtlpJson => {
                let unpacked_bytes_max = (limits.unpacked_bytes_max / 2)
                    .saturating_mul(OTLP_UNPACKED_HALVES)
                    .max(limits.unpacked_bytes_max);
                RequestLimits { unpacked_bytes_max, ..limits }
            }
            _ => limits,
        }
    }

    /// Content encoding of a request that names none.
    pub fn default_encoding(self) -> Option<&'static str> {
        match self {
            Self::RemoteWriteV1 | Self::RemoteWriteV2 => Some("snappy"),
            _ => None,
        }
    }

    /// Decodes the content encoding of a body, within bounds.
    pub fn unpack<'a>(
        self,
        body: &'a [u8],
        content_encoding: Option<&str>,
        limits: &RequestLimits,
    ) -> Result<Cow<'a, [u8]>, IntakeError> {
        match self {
            Self::RemoteWriteV1 | Self::RemoteWriteV2 => {
                unpack_remote_write(body, content_encoding, limits)
            }
            _ => unpack(body, content_encoding, limits),
        }
    }
}

fn unpack_remote_write<'a>(
    body: &'a [u8],
    content_encoding: Option<&str>,
    limits: &RequestLimits,
) -> Result<Cow<'a, [u8]>, IntakeError> {
    let coding = content_encoding.unwrap_or("snappy").trim();
    if coding.eq_ignore_ascii_case("zstd") {
        return unpack(body, Some("zstd"), limits);
    }
    if !coding.eq_ignore_ascii_case("snappy") {
        return Err(IntakeError::EncodingUnsupported {
            found: clip(coding.to_owned(), QUOTED_LEN_MAX),
            wanted: REMOTE_WRITE_ENCODINGS,
        });
    }
    if body.len() > limits.body_bytes_max {
        return Err(IntakeError::BodyTooLarge { len: body.len(), len_max: limits.body_bytes_max });
    }
    snappy::decode(body, limits.unpacked_bytes_max).map(Cow::Owned)
}

fn is_harmless(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return true };
    let charset = value.trim().trim_matches('"');
    !name.trim().eq_ignore_ascii_case("charset")
        || charset.eq_ignore_ascii_case("utf-8")
        || charset.eq_ignore_ascii_case("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_content_type_has_its_format() {
        let cases = [
            (None, Some(BodyFormat::Json)),
            (Some(""), Some(BodyFormat::Json)),
            (Some("application/json"), Some(BodyFormat::Json)),
            (Some("Application/JSON ; charset=UTF-8"), Some(BodyFormat::Json)),
            (Some("application/json; charset=\"utf-8\"; version=2"), Some(BodyFormat::Json)),
            (Some("application/json;"), Some(BodyFormat::Json)),
            (Some("text/json"), Some(BodyFormat::Json)),
            (Some("application/x-www-form-urlencoded"), Some(BodyFormat::Json)),
            (Some("application/x-ndjson"), Some(BodyFormat::Ndjson)),
            (Some("application/ndjson; charset=utf8"), Some(BodyFormat::Ndjson)),
            (Some("application/jsonl"), Some(BodyFormat::Ndjson)),
            (Some("application/jsonlines"), Some(BodyFormat::Ndjson)),
            (Some("application/json; charset=iso-8859-1"), None),
            (Some("application/x-ndjson; charset=utf-16"), None),
            (Some("text/csv"), None),
            (Some("application/x-protobuf"), None),
            (Some("json"), None),
        ];
        for (content_type, format) in cases {
            let read = BodyFormat::from_content_type(content_type);
            match format {
                Some(format) => assert_eq!(read.unwrap(), format, "{content_type:?}"),
                None => {
                    assert_eq!(
                        read.unwrap_err().code(),
                        "content_type_unknown",
                        "{content_type:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn metrics_of_opentelemetry_may_unpack_to_20_mib() {
        let limits = |format: BodyFormat| format.limits(RequestLimits::default());
        assert_eq!(limits(BodyFormat::OtlpBinary).unpacked_bytes_max, 20 << 20);
        assert_eq!(limits(BodyFormat::OtlpJson).unpacked_bytes_max, 20 << 20);
        assert_eq!(limits(BodyFormat::Json), RequestLimits::default());
    }

    #[test]
    fn the_content_type_determines_the_mode_of_a_cloud_event() {
        let format = |content_type, is_binary| BodyFormat::of_cloud_event(content_type, is_binary);
        let structured = Some("application/cloudevents+json; charset=UTF-8");
        assert_eq!(format(structured, true).unwrap(), BodyFormat::StructuredEvent);
        let batch = Some("Application/CloudEvents-batch+json");
        assert_eq!(format(batch, false).unwrap(), BodyFormat::EventBatch);
        for content_type in [None, Some("text/plain"), Some("application/json")] {
            assert_eq!(format(content_type, true).unwrap(), BodyFormat::EventContent);
            assert_eq!(format(content_type, false).unwrap_err().code(), "content_type_unknown");
        }
        assert!(format(Some("application/cloudevents+avro"), true).is_err());
    }

    #[test]
    fn otlp_is_binary_or_json() {
        let format = |content_type| BodyFormat::of_otlp(Some(content_type)).ok();
        assert_eq!(format("application/x-protobuf"), Some(BodyFormat::OtlpBinary));
        assert_eq!(format("Application/JSON; charset=utf-8"), Some(BodyFormat::OtlpJson));
        assert_eq!(format("application/grpc"), None);
        assert!(BodyFormat::of_otlp(None).is_err());
    }

    #[test]
    fn remote_write_is_versioned_by_its_content_type() {
        let v1 = Some(BodyFormat::RemoteWriteV1);
        let v2 = Some(BodyFormat::RemoteWriteV2);
        let cases = [
            (None, v1),
            (Some("application/x-protobuf"), v1),
            (Some("Application/X-Protobuf; proto=prometheus.WriteRequest"), v1),
            (Some("application/x-protobuf;proto=io.prometheus.write.v2.Request"), v2),
            (Some("application/x-protobuf; Proto=\"io.prometheus.write.v2.Request\""), v2),
            (Some("application/x-protobuf;proto=io.prometheus.write.v3.Request"), None),
            (Some("application/json"), None),
            (Some("image/png"), None),
        ];
        for (content_type, format) in cases {
            let read = BodyFormat::of_remote_write(content_type);
            assert_eq!(read.as_ref().ok(), format.as_ref(), "{content_type:?}");
            let code = read.err().map(|error| error.code());
            assert_eq!(code, format.is_none().then_some("content_type_unknown"));
        }
    }

    #[test]
    fn remote_write_is_compressed_with_snappy_or_zstd() {
        let (limits, body) = (RequestLimits::default(), b"samples");
        let snappy = snap::raw::Encoder::new().compress_vec(body).unwrap();
        let zstd = zstd::stream::encode_all(&body[..], 0).unwrap();
        let format = BodyFormat::RemoteWriteV1;
        let cases = [
            (None, &snappy),
            (Some("snappy"), &snappy),
            (Some("Snappy "), &snappy),
            (Some("zstd"), &zstd),
        ];
        for (encoding, packed) in cases {
            assert_eq!(*format.unpack(packed, encoding, &limits).unwrap(), *body, "{encoding:?}");
        }
        for encoding in ["gzip", "deflate", "identity", "snappy, snappy", "snappy, zstd"] {
            let error = format.unpack(&snappy, Some(encoding), &limits).unwrap_err();
            assert_eq!(error.code(), "encoding_unknown", "{encoding}");
        }
        let limits = RequestLimits { body_bytes_max: snappy.len() - 1, ..limits };
        let error = format.unpack(&snappy, None, &limits).unwrap_err();
        assert_eq!(error.code(), "body_too_large");
    }
}
