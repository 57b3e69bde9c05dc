//! The detectors of a record: which is the default, which the ancestor's rule, and the color of each.
//!
//! Kept in one place because a table row, a curve and a legend must agree on them.

use detector::Detector;

use page::escape;

use crate::contender::ROLLING_ZSCORE;
use crate::record::Record;

/// Style names of the colors of other detectors; past them the colors repeat.
const OTHER_COLORS: [&str; 4] = ["d2", "d3", "d4", "d5"];

/// What a detector is to the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DetectorRole {
    /// The one that ships.
    Default,
    /// The rule of the service that this one replaces.
    RollingZscore,
    /// Silent or random: what the others must beat.
    Baseline,
    /// Any other.
    Other,
}

/// One detector of a record.
#[derive(Debug)]
pub(crate) struct NamedDetector<'a> {
    /// Its text spec.
    pub(crate) spec: &'a str,
    /// What it is to the reader.
    pub(crate) role: DetectorRole,
    /// Style name of its color.
    pub(crate) color: &'static str,
}

/// The detectors of a record, in the order of its rows.
#[derive(Debug)]
pub(crate) struct Detectors<'a> {
    /// Each once.
    pub(crate) all: Vec<NamedDetector<'a>>,
}

impl<'a> Detectors<'a> {
    /// Every detector that a row, a sweep or a trace names.
    ///
    /// When the shipped default is not among them, the first real detector stands in for it.
    pub(crate) fn of(record: &'a Record) -> Self {
        let rows = record.rows.iter().map(|row| row.detector.as_str());
        let sweeps = record.sweeps.iter().map(|sweep| sweep.detector.as_str());
        let traces = record.traces.iter().map(|trace| trace.detector.as_str());
        let mut specs: Vec<&str> = Vec::new();
        for spec in rows.chain(sweeps).chain(traces) {
            if !specs.contains(&spec) {
                specs.push(spec);
            }
        }
        let shipped = Detector::default();
        let lead = specs
            .iter()
            .position(|spec| spec.parse() == Ok(shipped))
            .or_else(|| specs.iter().position(|spec| role_of(spec) == DetectorRole::Other));
        let mut other_colors = OTHER_COLORS.into_iter().cycle();
        let named = specs.into_iter().enumerate().map(|(i, spec)| {
            let role = if lead == Some(i) { DetectorRole::Default } else { role_of(spec) };
            let color = match role {
                DetectorRole::Default => "d0",
                DetectorRole::RollingZscore => "d1",
                DetectorRole::Baseline => "quiet",
                DetectorRole::Other => other_colors.next().unwrap_or("d2"),
            };
            NamedDetector { spec, role, color }
        });
        Self { all: named.collect() }
    }

    /// Where a detector stands in `all`.
    pub(crate) fn index(&self, spec: &str) -> usize {
        self.all.iter().position(|named| named.spec == spec).unwrap_or_default()
    }

    /// The first detector of that role.
    pub(crate) fn of_role(&self, role: DetectorRole) -> Option<&NamedDetector<'a>> {
        self.all.iter().find(|named| named.role == role)
    }

    /// A detector's swatch, name, role and parameters.
    pub(crate) fn cell(&self, spec: &str) -> String {
        let (name, parameters) = split(spec);
        let parameters = match parameters {
            "" => String::new(),
            // A line may break after each parameter and nowhere else.
            text => {
                let text = escape(text).replace(',', ",<wbr>");
                format!("<span class=\"params\">{text}</span>")
            }
        };
        self.marked(spec, name) + &parameters
    }

    /// A detector's swatch, short name and role.
    pub(crate) fn short_cell(&self, spec: &str) -> String {
        self.marked(spec, &self.short_name(self.index(spec)))
    }

    fn marked(&self, spec: &str, name: &str) -> String {
        let named = &self.all[self.index(spec)];
        let tag = match named.role {
            DetectorRole::Default => "<span class=\"tag\">default</span>",
            DetectorRole::RollingZscore => "<span class=\"tag\">ancestor</span>",
            DetectorRole::Baseline | DetectorRole::Other => "",
        };
        let swatch =
            format!("<span class=\"swatch\" style=\"--color:var(--{})\"></span>", named.color);
        format!("{swatch}{}{tag}", escape(name))
    }

    /// A name for legends: short where it is not ambiguous.
    pub(crate) fn short_name(&self, i: usize) -> String {
        let (name, parameters) = split(self.all[i].spec);
        let alone = self.all.iter().filter(|named| split(named.spec).0 == name).count() == 1;
        if alone || parameters.is_empty() {
            name.to_owned()
        } else {
            format!("{name} {}", parameters.replace(',', " "))
        }
    }
}

/// A spec's name and its parameters.
pub(crate) fn split(spec: &str) -> (&str, &str) {
    spec.split_once(':').unwrap_or((spec, ""))
}

fn role_of(spec: &str) -> DetectorRole {
    match spec {
        "silent" | "random" => DetectorRole::Baseline,
        ROLLING_ZSCORE => DetectorRole::RollingZscore,
        _ => DetectorRole::Other,
    }
}
