//! Bytes of a judgement inside a memory: 47, of which the first is 0 if there is none.

use crate::bytes::{ByteReader, ByteWriter};
use crate::memory::counter_fields::CounterField;
use domain::{Expectation, Judgement, Sample, Signal, Verdict, VerdictKind};

/// Encoded length, in bytes.
pub(super) const JUDGEMENT_LEN: usize = 47;

/// Error for bytes that no memory contains.
pub(super) struct InvalidField;

pub(super) fn write(out: &mut ByteWriter, judgement: Option<&Judgement>) {
    let Some(Judgement { sample, verdict, late, .. }) = judgement else {
        return out.bytes(&[0; JUDGEMENT_LEN]);
    };
    out.u8(verdict.kind as u8 + 1);
    out.u8(verdict.expectation.map_or(0, |expectation| expectation.signal as u8 + 1));
    out.u8(u8::from(*late));
    out.i64(sample.at_us());
    out.f64(sample.value());
    out.f32(verdict.score as f32);
    let band = verdict.expectation.map_or([0.0; 3], |band| [band.value, band.low, band.high]);
    out.f64s(&band);
}

/// Inverse of [`fn@write`] for exactly [`JUDGEMENT_LEN`] bytes.
pub(super) fn read(bytes: &[u8], counter: CounterField) -> Result<Option<Judgement>, InvalidField> {
    if bytes.first() == Some(&0) {
        return Ok(None);
    }
    read_present(&mut ByteReader::new(bytes), counter).map(Some).ok_or(InvalidField)
}

pub(super) fn read_present(from: &mut ByteReader<'_>, counter: CounterField) -> Option<Judgement> {
    let kind = *VerdictKind::ALL.get(usize::from(from.u8()?).checked_sub(1)?)?;
    let signal = match from.u8()? {
        0 => None,
        signal => Some(*Signal::ALL.get(usize::from(signal) - 1)?),
    };
    let late = from.u8()? != 0;
    let sample = Sample::of_kind(from.i64()?, from.finite()?, counter.kind).ok()?;
    let score = f64::from(from.single()?);
    let (value, low, high) = (from.finite()?, from.finite()?, from.finite()?);
    let expectation = signal.map(|signal| Expectation { signal, value, low, high });
    Some(Judgement {
        sample,
        rate: counter.rate,
        verdict: Verdict { kind, score, expectation },
        late,
    })
}
