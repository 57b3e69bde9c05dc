//! Formats in which a load sends its samples: that of `ingest`, and those of other products.

use crate::connection::LoadAnswer;

/// Format of the samples of a load. All formats name the same series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LoadFormat {
    /// JSON, for `/ingest`.
    #[default]
    Json,
    /// Prometheus remote write 1.0, for `/api/v1/write`; times are milliseconds.
    RemoteWrite,
    /// OpenTelemetry metrics as Protocol Buffers, for `/v1/metrics`.
    Otlp,
}

impl LoadFormat {
    /// The path of requests with samples.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Json => "/ingest",
            Self::RemoteWrite => "/api/v1/write",
            Self::Otlp => "/v1/metrics",
        }
    }

    /// The headers that describe the body.
    pub(crate) fn headers(self) -> &'static str {
        match self {
            Self::Json => "content-type: application/json\r\n",
            Self::RemoteWrite => {
                "content-type: application/x-protobuf\r\ncontent-encoding: snappy\r\n\
                 x-prometheus-remote-write-version: 0.1.0\r\n"
            }
            Self::Otlp => "content-type: application/x-protobuf\r\n",
        }
    }

    /// The number of accepted samples of a request with `n_samples`, by a successful answer to it.
    ///
    /// An answer of OTLP without a body is a full success, and one of remote write without the number accepted all. A
    /// partial success of OTLP counts as none: a load sends no sample that should be rejected.
    pub(crate) fn n_accepted(self, answer: &LoadAnswer, n_samples: u32) -> u64 {
        match self {
            Self::Json => answer.n_accepted.unwrap_or_default(),
            Self::RemoteWrite => answer.n_accepted.unwrap_or(n_samples.into()),
            Self::Otlp if answer.body_len == 0 => n_samples.into(),
            Self::Otlp => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_its_own_number_of_accepted_samples() {
        let answer =
            |n_accepted, body_len| LoadAnswer { status: 200, n_accepted, body_len, is_kept: true };
        let cases = [
            (LoadFormat::Json, answer(Some(7), 30), 7),
            (LoadFormat::Json, answer(None, 0), 0),
            (LoadFormat::RemoteWrite, answer(Some(7), 0), 7),
            (LoadFormat::RemoteWrite, answer(None, 0), 9),
            (LoadFormat::Otlp, answer(None, 0), 9),
            (LoadFormat::Otlp, answer(None, 40), 0),
        ];
        for (format, answer, expected) in cases {
            assert_eq!(format.n_accepted(&answer, 9), expected, "{format:?} {answer:?}");
        }
    }
}
