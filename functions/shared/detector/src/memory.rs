//! Memory: all that a series carries from sample to sample besides its window, as bytes of a fixed layout.
//!
//! The layout is fixed so that a store can compare the version, and read or write a slice, without knowing the detector.
//! Bytes that are truncated, or of another layout, do not decode; the series then relearns from its window.
//!
//! | offset | length | field |
//! |---|---|---|
//! | 0 | 4 | `TMm2`, the name of the layout |
//! | 4 | 4 | generation of the detector |
//! | 8 | 8 | version, for compare-and-set |
//! | 16 | 8 | cursor: newest judged time, microseconds; -1 if none |
//! | 24 | 8 | floor: newest trimmed time, microseconds; -1 if none |
//! | 32 | 24 | counters: judged, anomalies, late |
//! | 56 | 47 | last judgement |
//! | 103 | 13 | silence: flag, usual age, next check |
//! | 116 | 1 | flags: 1 if the series has its own detector, 2 if the fields of a counter follow |
//! | 117 | 1 | length of the spec |
//! | | 33 | of a counter only: see `counter_fields` |
//! | | | scalars of the detector, then its tables |
//! | | 71 | open episode, or one that a further anomaly may join |
//! | | | spec |
//!
//! A store writes changed slices, one command each. Each sample changes the fields from the cursor to the end of the
//! scalars, a few bytes of one or two tables, and seldom the rest; so the changing fields are contiguous.

mod counter_fields;
mod judgement;

use crate::Detector;
use crate::bytes::{ByteReader, ByteWriter};
use crate::detector_state::DetectorState;
use crate::memory::counter_fields::{COUNTER_FIELDS_LEN, CounterField, CounterFields};
use crate::memory::judgement::{InvalidField, JUDGEMENT_LEN};
use crate::open_episode::OpenEpisode;
use crate::silence::SilenceState;
use crate::spec::SPEC_LEN_MAX;
use domain::{EpisodePhase, EpisodeRecord, Judgement};

/// Name of the layout.
pub const MAGIC: &[u8; 4] = b"TMm2";

/// Common prefix of the names of all layouts.
const MAGIC_PREFIX: &[u8] = b"TMm";

/// Offset of the version, a little-endian `i64` that a store compares and sets.
pub const VERSION_OFFSET: usize = 8;

/// Encodes a missing time.
const NO_TIME: i64 = -1;

/// Encoded length of an episode, in bytes.
const EPISODE_LEN: usize = 24 + JUDGEMENT_LEN;

/// Length of all fields before those of the detector, in bytes.
const HEADER_LEN: usize = 56 + JUDGEMENT_LEN + SilenceState::LEN + 2;

/// Offset of the flags.
const FLAGS_OFFSET: usize = HEADER_LEN - 2;

/// Flag of a series with its own detector.
const OWN_DETECTOR: u8 = 1;

/// Flag of a memory with the fields of a counter.
const COUNTER: u8 = 2;

const _: () = assert!(SPEC_LEN_MAX <= u8::MAX as usize, "the length of a spec is one byte");

/// Memory of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    /// Version for compare-and-set; 0 until first stored.
    pub version: i64,
    /// Generation of the deployment that chose the detector.
    pub generation: u32,
    /// Detector that judges the series.
    pub detector: Detector,
    /// True if the detector comes from the configuration of the series, not from a deployment.
    pub has_own_detector: bool,
    /// True if the detector has learned rates of a counter.
    pub is_counter: bool,
    /// Newest judged time, in microseconds.
    pub cursor_us: Option<i64>,
    /// Newest time trimmed from the window, in microseconds.
    pub floor_us: Option<i64>,
    /// Numbers of judged samples.
    pub counters: Counters,
    /// Newest judgement that was not late, in full.
    pub last: Option<Judgement>,
    /// Anomaly or silence that lasts until now, or ended so recently that a further anomaly joins it.
    pub episode: Option<OpenEpisode>,
    /// Silence of the series.
    pub silence: SilenceState,
    /// Scalars and tables of the detector.
    pub(crate) state: DetectorState,
}

/// Numbers of samples since the memory was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Judged samples.
    pub judged: u64,
    /// Anomalies among them.
    pub anomalies: u64,
    /// Late samples among them.
    pub late: u64,
}

impl Memory {
    /// Empty memory.
    pub fn new(detector: Detector, generation: u32) -> Self {
        Self {
            version: 0,
            generation,
            detector,
            has_own_detector: false,
            is_counter: false,
            cursor_us: None,
            floor_us: None,
            counters: Counters::default(),
            last: None,
            episode: None,
            silence: SilenceState::default(),
            state: DetectorState::new(&detector),
        }
    }

    /// Record of the episode that lasts until now; `None` if it is over.
    pub fn episode_record(&self) -> Option<EpisodeRecord> {
        let is_silent = self.silence.is_silent;
        let episode =
            self.episode.filter(|episode| is_silent || episode.ends_at(self.cursor_us))?;
        let phase = if is_silent { EpisodePhase::Silent } else { EpisodePhase::Open };
        Some(episode.record(phase, self.cursor_us.unwrap_or(episode.start_us)))
    }

    /// Encoded length, in bytes.
    pub fn encoded_len(&self) -> usize {
        self.encoded_len_with(&self.detector.to_string())
    }

    fn encoded_len_with(&self, spec: &str) -> usize {
        let counter_len = if self.counter_fields().is_empty() { 0 } else { COUNTER_FIELDS_LEN };
        HEADER_LEN + counter_len + self.state.len() + EPISODE_LEN + spec.len()
    }

    fn counter_fields(&self) -> CounterFields {
        let peak = self.episode.and_then(|episode| episode.peak);
        CounterFields::of(self.is_counter, self.last.as_ref(), peak.as_ref())
    }

    /// Bytes of the layout above.
    pub fn encode(&self) -> Vec<u8> {
        let spec = self.detector.to_string();
        let mut out = ByteWriter::with_capacity(self.encoded_len_with(&spec));
        out.bytes(MAGIC);
        out.u32(self.generation);
        out.i64(self.version);
        out.i64(self.cursor_us.unwrap_or(NO_TIME));
        out.i64(self.floor_us.unwrap_or(NO_TIME));
        out.u64(self.counters.judged);
        out.u64(self.counters.anomalies);
        out.u64(self.counters.late);
        judgement::write(&mut out, self.last.as_ref());
        self.silence.write(&mut out);
        let counter = self.counter_fields();
        let counter_flag = if counter.is_empty() { 0 } else { COUNTER };
        let own_flag = if self.has_own_detector { OWN_DETECTOR } else { 0 };
        out.u8(own_flag | counter_flag);
        out.u8(spec.len() as u8);
        counter.write(&mut out);
        self.state.write(&mut out);
        write_episode(&mut out, self.episode.as_ref());
        out.bytes(spec.as_bytes());
        out.finish()
    }

    /// Generation of a memory of this or a later layout, even if the rest does not decode.
    pub(crate) fn generation_of(bytes: &[u8]) -> Option<u32> {
        let mut from = ByteReader::new(bytes);
        from.bytes(MAGIC.len()).filter(|magic| magic.starts_with(MAGIC_PREFIX))?;
        from.u32()
    }

    /// Inverse of [`Memory::encode`]; `None` for any other bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let flags = *bytes.get(FLAGS_OFFSET).filter(|flags| **flags <= OWN_DETECTOR | COUNTER)?;
        let has_counter = flags & COUNTER != 0;
        let counter = CounterFields::read(bytes.get(HEADER_LEN..).filter(|_| has_counter))?;
        let mut from = ByteReader::new(bytes);
        from.bytes(MAGIC.len()).filter(|magic| magic == MAGIC)?;
        let generation = from.u32()?;
        let version = from.i64()?;
        let (cursor_us, floor_us) = (time(from.i64()?).ok()?, time(from.i64()?).ok()?);
        let counters =
            Counters { judged: from.count()?, anomalies: from.count()?, late: from.count()? };
        let last = judgement::read(from.bytes(JUDGEMENT_LEN)?, counter.last).ok()?;
        let silence = SilenceState::read(&mut from)?;
        let _flags = from.u8()?;
        let spec_at = bytes.len().checked_sub(usize::from(from.u8()?))?;
        let detector: Detector = std::str::from_utf8(bytes.get(spec_at..)?).ok()?.parse().ok()?;
        let state_at = HEADER_LEN + if has_counter { COUNTER_FIELDS_LEN } else { 0 };
        let mut from = ByteReader::new(bytes.get(state_at..spec_at)?);
        let state = DetectorState::read(&detector, &mut from)?;
        let episode = read_episode(&mut from, silence.is_silent, counter.peak).ok()?;
        from.is_empty().then_some(Self {
            version,
            generation,
            detector,
            has_own_detector: flags & OWN_DETECTOR != 0,
            is_counter: counter.is_counter,
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

fn time(at_us: i64) -> Result<Option<i64>, InvalidField> {
    match at_us {
        NO_TIME => Ok(None),
        0.. => Ok(Some(at_us)),
        _ => Err(InvalidField),
    }
}

fn write_episode(out: &mut ByteWriter, episode: Option<&OpenEpisode>) {
    let Some(episode) = episode else { return out.bytes(&[0; EPISODE_LEN]) };
    out.u64(episode.n_samples);
    out.i64(episode.start_us);
    out.i64(episode.end_us);
    judgement::write(out, episode.peak.as_ref());
}

fn read_episode(
    from: &mut ByteReader<'_>,
    is_silent: bool,
    peak: CounterField,
) -> Result<Option<OpenEpisode>, InvalidField> {
    let mut from = ByteReader::new(from.bytes(EPISODE_LEN).ok_or(InvalidField)?);
    match from.count() {
        Some(0) if !is_silent => Ok(None),
        Some(n_samples) => read_open(n_samples, &mut from, peak).map(Some).ok_or(InvalidField),
        None => Err(InvalidField),
    }
}

fn read_open(n_samples: u64, from: &mut ByteReader<'_>, peak: CounterField) -> Option<OpenEpisode> {
    let (start_us, end_us) = (time(from.i64()?).ok()??, time(from.i64()?).ok()??);
    let peak = if n_samples == 0 { None } else { Some(judgement::read_present(from, peak)?) };
    Some(OpenEpisode { start_us, end_us, n_samples, peak })
}

#[cfg(test)]
mod tests {
    use domain::{Sample, SampleKind};
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
    fn a_memory_round_trips() {
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
    fn a_memory_of_a_counter_round_trips() {
        for detector in Detector::ALL {
            let mut judge = Judge::new(detector);
            for i in 0..400 {
                let total = 1e6 * i as f64 + if i == 399 { 1e18 } else { (i % 7) as f64 };
                let kind = SampleKind::Counter { started_at_us: Some(i / 50) };
                judge.judge(Sample::of_kind(i * 60_000_000, total, kind).unwrap());
                let bytes = judge.memory().encode();
                assert_eq!(bytes.len(), judge.memory().encoded_len());
                assert_eq!(Memory::decode(&bytes).as_ref(), Some(judge.memory()));
            }
            assert!(judge.memory().last.unwrap().rate.per_second().is_some_and(|rate| rate > 1e12));
        }
    }

    #[test]
    fn the_memory_of_a_gauge_has_no_fields_of_a_counter() {
        assert_eq!(learned(Detector::default(), 400).encode()[FLAGS_OFFSET], 0);
    }

    #[test]
    fn a_memory_with_an_absurd_value_after_calm_round_trips() {
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
    fn the_default_memory_fits_in_eight_kilobytes() {
        assert!(Memory::new(Detector::default(), 0).encoded_len() <= 8 * 1024);
    }

    #[test]
    fn truncated_or_extended_bytes_do_not_decode() {
        let bytes = learned(Detector::default(), 400).encode();
        for len in 0..bytes.len() {
            assert_eq!(Memory::decode(&bytes[..len]), None);
        }
        assert_eq!(Memory::decode(&[bytes, vec![0]].concat()), None);
    }

    proptest! {
        #[test]
        fn a_corrupted_memory_never_panics(
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
        fn a_corrupted_header_decodes_to_a_valid_memory_or_none(
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
