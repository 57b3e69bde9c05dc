//! Serializers from stored microseconds to the API's milliseconds.

use serde::Serializer;

/// Writes microseconds as milliseconds: an integer if whole, otherwise the exact fraction.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
pub(super) fn milliseconds<S: Serializer>(at_us: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    if at_us % 1_000 == 0 {
        serializer.serialize_i64(at_us / 1_000)
    } else {
        // The shortest text of this double has all three digits until the year 2248.
        serializer.serialize_f64(*at_us as f64 / 1e3)
    }
}

/// Writes optional microseconds as milliseconds or null.
#[expect(clippy::ref_option, reason = "serde passes fields by reference")]
pub(super) fn optional_milliseconds<S: Serializer>(
    at_us: &Option<i64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at_us {
        Some(at_us) => milliseconds(at_us, serializer),
        None => serializer.serialize_none(),
    }
}
