//! The detectors of a record with their roles and colors, which tables, curves and legends share.

use detector::Detector;

use page::escape;

use crate::contender::ROLLING_ZSCORE;
use crate::record::Record;

/// Colors of other detectors, used in turn.
const OTHER_COLORS: [&str; 4] = ["d2", "d3", "d4", "d5"];

/// The role of a detector in the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DetectorRole {
    /// The default of production.
    Default,
    /// The rolling z-score, the reference.
    RollingZscore,
    /// Silent or random: the lower bounds.
    Baseline,
    /// Any other.
    Other,
}

/// One detector of a record.
#[derive(Debug)]
pub(crate) struct NamedDetector<'a> {
    /// Its text spec.
    pub(crate) spec: &'a str,
    /// Its role.
    pub(crate) role: DetectorRole,
    /// Style name of its color.
    pub(crate) color: &'static str,
}

/// The detectors of a record, in the order of its rows.
#[derive(Debug)]
pub(crate) struct Detectors<'a> {
    /// Each detector once.
    pub(crate) all: Vec<NamedDetector<'a>>,
}

impl<'a> Detectors<'a> {
    /// All detectors of rows, sweeps and traces.
    ///
    /// If the default of production is missing, the first detector that is not a reference takes its role.
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
                DetectorRole::Baseline => "gray",
                DetectorRole::Other => other_colors.next().unwrap_or("d2"),
            };
            NamedDetector { spec, role, color }
        });
        Self { all: named.collect() }
    }

    /// Index of a detector in `all`.
    pub(crate) fn index(&self, spec: &str) -> usize {
        self.all.iter().position(|named| named.spec == spec).unwrap_or_default()
    }

    /// The first detector of that role.
    pub(crate) fn of_role(&self, role: DetectorRole) -> Option<&NamedDetector<'a>> {
        self.all.iter().find(|named| named.role == role)
    }

    /// Color, name, role and parameters of a detector.
    pub(crate) fn cell(&self, spec: &str) -> String {
        let (name, parameters) = split(spec);
        let parameters = match parameters {
            "" => String::new(),
            // Lines break between parameters only.
            text => {
                let text = escape(text).replace(',', ",<wbr>");
                format!("<span class=\"params\">{text}</span>")
            }
        };
        self.marked(spec, name) + &parameters
    }

    /// Color, short name and role of a detector.
    pub(crate) fn short_cell(&self, spec: &str) -> String {
        self.marked(spec, &self.short_name(self.index(spec)))
    }

    fn marked(&self, spec: &str, name: &str) -> String {
        let named = &self.all[self.index(spec)];
        let tag = match named.role {
            DetectorRole::Default => "<span class=\"tag\">default</span>",
            DetectorRole::RollingZscore => "<span class=\"tag\">reference</span>",
            DetectorRole::Baseline | DetectorRole::Other => "",
        };
        let swatch =
            format!("<span class=\"swatch\" style=\"--color:var(--{})\"></span>", named.color);
        format!("{swatch}{}{tag}", escape(name))
    }

    /// Name for legends: without parameters if that is unique.
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

/// Name and parameters of a spec.
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
