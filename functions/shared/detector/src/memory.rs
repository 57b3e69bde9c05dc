//! What is carried from sample to sample besides the window, as bytes of a fixed layout.
//!
//! The layout is fixed so that a store can compare the version, and read or write a slice, without knowing the
//! detector. Bytes that are cut off, older or somebody else's do not decode: the series relearns.
//!
//! | offset | length | field |
//! |---|---|---|
//! | 0 | 4 | `TMm1`: this layout |
//! | 4 | 4 | generation of the detector's spec |
//! | 8 | 8 | version, by which writers compare and set |
//! | 16 | 8 | cursor: newest judged time, microseconds; -1 when none |
//! | 24 | 8 | floor: newest time ever trimmed, microseconds; -1 when none |
//! | 32 | 24 | counters: judged, anomalies, late |
//! | 56 | 47 | last verdict |
//! | 103 | 13 | silence: silence, usual wait, next look |
//! | 116 | 1 | 1 where the detector is the series' own, by its configuration |
//! | 117 | 1 | length of the spec |
//! | 118 | | scalars of the detector, then its tables |
//! | | 63 | open episode |
//! | | | spec |
//!
//! What changes with each sample stands side by side, from the cursor to the last of the scalars, since each slice that
//! is written is a command of a store: a sample changes these, a few bytes of a table or two, and hardly ever the rest.

use crate::Detector;
use crate::bucket::Bucket;
use crate::deviation::DeviationState;
use crate::ewma::EwmaState;
use crate::layout::{Reader, Writer};
use crate::presence::SilenceState;
use crate::season::N_BUCKETS;
use crate::spec::SPEC_LEN_MAX;
use crate::tidemark::TidemarkState;
use domain::{Expectation, Judgement, Sample, Signal, Verdict, VerdictKind};

/// Marks the layout; another layout has another mark.
const MARK: &[u8; 4] = b"TMm1";

/// Offset of the version, a little-endian `i64`, which a store compares and sets.
pub const VERSION_OFFSET: usize = 8;

/// Stands for a time that is not there.
const NO_TIME: i64 = -1;

/// Length of a judgement, in bytes.
const JUDGEMENT_LEN: usize = 47;

/// Length of an episode, in bytes.
const EPISODE_LEN: usize = 16 + JUDGEMENT_LEN;

/// Length of all that precedes the detector's own scalars and tables.
const HEADER_LEN: usize = 56 + JUDGEMENT_LEN + SilenceState::LEN + 2;

/// What a series remembers.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    /// By which writers compare and set; 0 until first stored.
    pub version: i64,
    /// The generation of the deployment whose spec it is.
    pub generation: u32,
    /// Who judges the series.
    pub detector: Detector,
    /// Whether the detector is the series' own, by its configuration, and not that of a generation.
    pub has_own_detector: bool,
    /// The newest judged time, in microseconds.
    pub cursor_us: Option<i64>,
    /// The newest time ever trimmed from the window, in microseconds.
    pub floor_us: Option<i64>,
    /// What was counted.
    pub counters: Counters,
    /// The last judged sample that was not late, with its verdict in full.
    pub last: Option<Judgement>,
    /// The anomalies in a row that end with the last sample, and the silence after it.
    pub episode: Option<Episode>,
    /// Whether the series is there.
    pub silence: SilenceState,
    /// The detector's own scalars and tables.
    pub(crate) state: State,
}

/// What was counted of a series since its memory began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Samples judged.
    pub judged: u64,
    /// Of which anomalies.
    pub anomalies: u64,
    /// Of which late.
    pub late: u64,
}

/// Consecutive anomalous samples, or silence: the thing a person is told of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Episode {
    /// Time of the first, or of the last one before a silence, in microseconds.
    pub start_us: i64,
    /// How many so far; none while there is nothing but silence.
    pub n_samples: u64,
    /// The sample with the highest score.
    pub peak: Option<Judgement>,
}

/// The scalars and tables of each detector.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum State {
    /// Nothing but the window.
    Stateless,
    Ewma(EwmaState),
    Deviation(DeviationState),
    Tidemark(Box<TidemarkState>),
}

impl State {
    pub(crate) fn new(detector: &Detector) -> Self {
        match detector {
            Detector::Zscore(_) | Detector::Robust(_) => Self::Stateless,
            Detector::Ewma(_) => Self::Ewma(EwmaState::default()),
            Detector::Deviation(_) => Self::Deviation(DeviationState::default()),
            Detector::Tidemark(tidemark) => {
                Self::Tidemark(Box::new(TidemarkState::new(tidemark.signals)))
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Stateless => 0,
            Self::Ewma(_) => EwmaState::LEN,
            Self::Deviation(_) => DeviationState::SCALARS_LEN + N_BUCKETS * Bucket::LEN,
            Self::Tidemark(state) => state.len(),
        }
    }

    fn write(&self, out: &mut Writer) {
        match self {
            Self::Stateless => {}
            Self::Ewma(state) => state.write(out),
            Self::Deviation(state) => {
                state.write_scalars(out);
                state.buckets().iter().for_each(|bucket| bucket.write(out));
            }
            Self::Tidemark(state) => state.write(out),
        }
    }

    fn read(detector: &Detector, from: &mut Reader<'_>) -> Option<Self> {
        Some(match detector {
            Detector::Zscore(_) | Detector::Robust(_) => Self::Stateless,
            Detector::Ewma(_) => Self::Ewma(EwmaState::read(from)?),
            Detector::Deviation(_) => {
                let mut state = DeviationState::read_scalars(from)?;
                for bucket in state.buckets_mut() {
                    *bucket = Bucket::read(from)?;
                }
                Self::Deviation(state)
            }
            Detector::Tidemark(tidemark) => {
                Self::Tidemark(Box::new(TidemarkState::read(tidemark.signals, from)?))
            }
        })
    }
}

impl Memory {
    /// A memory of nothing.
    pub fn new(detector: Detector, generation: u32) -> Self {
        Self {
            version: 0,
            generation,
            detector,
            has_own_detector: false,
            cursor_us: None,
            floor_us: None,
            counters: Counters::default(),
            last: None,
            episode: None,
            silence: SilenceState::default(),
            state: State::new(&detector),
        }
    }

    /// Length of its bytes.
    pub fn encoded_len(&self) -> usize {
        HEADER_LEN + self.state.len() + EPISODE_LEN + self.detector.to_string().len()
    }

    /// The bytes of the layout above.
    pub fn encode(&self) -> Vec<u8> {
        let spec = self.detector.to_string();
        let len = HEADER_LEN + self.state.len() + EPISODE_LEN + spec.len();
        let mut out = Writer::with_capacity(len);
        out.bytes(MARK);
        out.u32(self.generation);
        out.i64(self.version);
        out.i64(self.cursor_us.unwrap_or(NO_TIME));
        out.i64(self.floor_us.unwrap_or(NO_TIME));
        out.u64(self.counters.judged);
        out.u64(self.counters.anomalies);
        out.u64(self.counters.late);
        write_judgement(&mut out, self.last.as_ref());
        self.silence.write(&mut out);
        out.u8(u8::from(self.has_own_detector));
        out.u8(spec.len() as u8);
        self.state.write(&mut out);
        write_episode(&mut out, self.episode.as_ref());
        out.bytes(spec.as_bytes());
        out.finish()
    }

    /// The generation of a memory of this or a later layout, whether or not the rest can be read.
    pub(crate) fn generation_of(bytes: &[u8]) -> Option<u32> {
        let mut from = Reader::new(bytes);
        from.bytes(MARK.len()).filter(|mark| mark.starts_with(b"TMm"))?;
        from.u32()
    }

    /// Reads back what [`Memory::encode`] wrote; `None` when it is anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader::new(bytes);
        if from.bytes(MARK.len())? != MARK {
            return None;
        }
        let generation = from.u32()?;
        let version = from.i64()?;
        let (cursor_us, floor_us) = (time(from.i64()?).ok()?, time(from.i64()?).ok()?);
        let counters =
            Counters { judged: from.count()?, anomalies: from.count()?, late: from.count()? };
        let last = read_judgement(from.bytes(JUDGEMENT_LEN)?).ok()?;
        let silence = SilenceState::read(&mut from)?;
        let has_own_detector = match from.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let spec_at = bytes.len().checked_sub(usize::from(from.u8()?))?;
        let detector: Detector = std::str::from_utf8(bytes.get(spec_at..)?).ok()?.parse().ok()?;
        let mut from = Reader::new(bytes.get(HEADER_LEN..spec_at)?);
        let state = State::read(&detector, &mut from)?;
        let episode = read_episode(from.bytes(EPISODE_LEN)?, silence.is_silent).ok()?;
        from.is_empty().then_some(Self {
            version,
            generation,
            detector,
            has_own_detector,
            cursor_us,
            floor_us,
            counters,
            last,
            episode,
            silence,
            state,
        })
    }
}

/// A field that no memory can hold.
struct Unsound;

fn time(at_us: i64) -> Result<Option<i64>, Unsound> {
    match at_us {
        NO_TIME => Ok(None),
        0.. => Ok(Some(at_us)),
        _ => Err(Unsound),
    }
}

/// The first byte is 0 where there is no judgement.
fn write_judgement(out: &mut Writer, judgement: Option<&Judgement>) {
    let Some(judgement) = judgement else { return out.bytes(&[0; JUDGEMENT_LEN]) };
    let kind = VerdictKind::ALL
        .iter()
        .position(|kind| *kind == judgement.verdict.kind)
        .unwrap_or_default();
    let expectation = judgement.verdict.expectation;
    let signal =
        expectation.and_then(|it| Signal::ALL.iter().position(|signal| *signal == it.signal));
    out.u8(kind as u8 + 1);
    out.u8(signal.map_or(0, |signal| signal as u8 + 1));
    out.u8(u8::from(judgement.late));
    out.i64(judgement.sample.at_us());
    out.f64(judgement.sample.value());
    out.f32(judgement.verdict.score as f32);
    let band = expectation.map_or([0.0; 3], |it| [it.value, it.low, it.high]);
    for value in band {
        out.f64(value);
    }
}

fn read_judgement(bytes: &[u8]) -> Result<Option<Judgement>, Unsound> {
    if bytes.first() == Some(&0) {
        return Ok(None);
    }
    judgement(&mut Reader::new(bytes)).map(Some).ok_or(Unsound)
}

fn judgement(from: &mut Reader<'_>) -> Option<Judgement> {
    let kind = *VerdictKind::ALL.get(usize::from(from.u8()?).checked_sub(1)?)?;
    let signal = match from.u8()? {
        0 => None,
        signal => Some(*Signal::ALL.get(usize::from(signal) - 1)?),
    };
    let late = from.u8()? != 0;
    let sample = Sample::new(from.i64()?, from.finite()?).ok()?;
    let score = f64::from(from.single()?);
    let (value, low, high) = (from.finite()?, from.finite()?, from.finite()?);
    let expectation = signal.map(|signal| Expectation { signal, value, low, high });
    Some(Judgement { sample, verdict: Verdict { kind, score, expectation }, late })
}

fn write_episode(out: &mut Writer, episode: Option<&Episode>) {
    let Some(episode) = episode else { return out.bytes(&[0; EPISODE_LEN]) };
    out.u64(episode.n_samples);
    out.i64(episode.start_us);
    write_judgement(out, episode.peak.as_ref());
}

fn read_episode(bytes: &[u8], is_silent: bool) -> Result<Option<Episode>, Unsound> {
    let mut from = Reader::new(bytes);
    match from.count() {
        Some(0) if !is_silent => Ok(None),
        Some(n_samples) => episode(n_samples, &mut from).map(Some).ok_or(Unsound),
        None => Err(Unsound),
    }
}

fn episode(n_samples: u64, from: &mut Reader<'_>) -> Option<Episode> {
    let start_us = time(from.i64()?).ok()??;
    let peak = if n_samples == 0 { None } else { Some(judgement(from)?) };
    Some(Episode { start_us, n_samples, peak })
}

const _: () = assert!(SPEC_LEN_MAX <= u8::MAX as usize, "the length of a spec is a byte");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Judge;

    fn learned(detector: Detector, n: i64) -> Memory {
        let mut judge = Judge::new(detector);
        for i in 0..n {
            let value = if i % 40 > 37 { 500.0 } else { 100.0 + (i % 7) as f64 };
            judge.judge(Sample::new(i * 60_000_000, value).unwrap());
        }
        judge.memory().clone()
    }

    #[test]
    fn a_memory_reads_back_as_it_was() {
        for detector in Detector::ALL {
            for n in [0, 1, 20, 400, 5_000] {
                let memory = learned(detector, n);
                let bytes = memory.encode();
                assert_eq!(bytes.len(), memory.encoded_len());
                assert_eq!(Memory::decode(&bytes), Some(memory));
            }
        }
    }

    #[test]
    fn a_first_error_after_a_long_calm_is_remembered() {
        for detector in Detector::ALL {
            let mut judge = Judge::new(detector);
            for i in 0..5_000 {
                judge.judge(Sample::new(i * 1_000_000, 1e-300 * (i % 3) as f64).unwrap());
            }
            judge.judge(Sample::new(5_000_000_000, 1e15).unwrap());
            assert_eq!(Memory::decode(&judge.memory().encode()).as_ref(), Some(judge.memory()));
        }
    }

    #[test]
    fn the_default_memory_is_small() {
        assert!(Memory::new(Detector::default(), 0).encoded_len() <= 8 * 1024);
    }

    #[test]
    fn cut_off_or_longer_bytes_do_not_decode() {
        let bytes = learned(Detector::default(), 400).encode();
        for len in 0..bytes.len() {
            assert_eq!(Memory::decode(&bytes[..len]), None);
        }
        assert_eq!(Memory::decode(&[bytes, vec![0]].concat()), None);
    }

    proptest! {
        #[test]
        fn a_corrupted_memory_is_judged_with_or_relearned_but_never_panics(
            at in HEADER_LEN..9_000, bytes in prop::collection::vec(any::<u8>(), 8), which in 0usize..6,
        ) {
            let every_signal = "tidemark:signals=deviation+shift+variance+flat+gap+novelty";
            let every_signal: Detector = every_signal.parse().unwrap();
            let detector = Detector::ALL.get(which).copied().unwrap_or(every_signal);
            let mut memory = learned(detector, 400).encode();
            let at = at.min(memory.len() - 8);
            memory[at..at + 8].copy_from_slice(&bytes);
            let deployed = crate::DeployedDetector { detector, generation: 0 };
            if let Ok(mut judge) = Judge::restore(deployed, Some(&memory), Vec::new()) {
                for i in 400..500 {
                    let judgement = judge.judge(Sample::new(i * 60_000_000, 100.0).unwrap());
                    prop_assert!(judgement.verdict.score.is_finite());
                }
                judge.memory().encode();
            }
        }

        #[test]
        fn a_corrupted_header_decodes_to_something_sound_or_to_nothing(
            at in 0..HEADER_LEN, byte in any::<u8>(), n in 0i64..500,
        ) {
            let mut bytes = learned(Detector::default(), n).encode();
            bytes[at] = byte;
            if let Some(memory) = Memory::decode(&bytes) {
                prop_assert_eq!(Memory::decode(&memory.encode()), Some(memory));
            }
        }
    }
}
