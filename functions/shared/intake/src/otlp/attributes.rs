//! Attributes of a resource, a scope or a data point, which become labels.

use std::collections::BTreeMap;

use domain::series::{LABELS_MAX, SERIES_LEN_MAX, SeriesError};

use crate::code::RejectionCode;
use crate::error::IntakeError;
use crate::sample_fault::{SampleFault, quoted};

/// Beginnings of the names of resource attributes that are left out.
const LEFT_OUT: [&str; 5] = ["process.", "telemetry.", "os.", "container.id", "service.version"];

/// Most attributes that are read of a resource, a scope or a data point.
const ATTRIBUTES_READ_MAX: usize = 2 * LABELS_MAX;

/// Deepest nesting of lists in an attribute.
const ATTRIBUTE_DEPTH_MAX: usize = 8;

/// Attributes of a resource, a scope or a data point, up to their bound.
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes {
    pub(super) values: BTreeMap<String, String>,
    n_sent: usize,
    len: usize,
    /// Beginnings of the names that are left out.
    left_out: &'static [&'static str],
    fault: Option<SampleFault>,
}

impl Attributes {
    pub(super) fn of_resource() -> Self {
        Self { left_out: &LEFT_OUT, ..Self::default() }
    }

    /// Adds an attribute; what no series could have is not kept, since it would be copied for each data point.
    pub(super) fn push(&mut self, name: &str, value: String) {
        if self.left_out.iter().any(|left_out| name.starts_with(left_out)) {
            return;
        }
        self.n_sent += 1;
        self.len += name.len() + value.len();
        if self.values.len() >= ATTRIBUTES_READ_MAX || self.len > SERIES_LEN_MAX {
            return;
        }
        if self.values.insert(name.to_owned(), value).is_some() {
            let detail = format!("attribute {} is given twice", quoted(name));
            self.fault = Some(SampleFault::new(RejectionCode::SampleMalformed, detail));
        }
    }

    pub(super) fn check(&self) -> Result<(), SampleFault> {
        if self.n_sent > ATTRIBUTES_READ_MAX {
            return Err(SeriesError::LabelsTooMany(self.n_sent).into());
        }
        if self.len > SERIES_LEN_MAX {
            return Err(SeriesError::SeriesTooLong(self.len).into());
        }
        self.fault.clone().map_or(Ok(()), Err)
    }
}

/// Checks the depth of a value in an attribute, before it is read.
pub(super) fn check_depth(depth: usize) -> Result<(), IntakeError> {
    if depth <= ATTRIBUTE_DEPTH_MAX {
        return Ok(());
    }
    let problem = format!("an attribute nests more than {ATTRIBUTE_DEPTH_MAX} lists");
    Err(IntakeError::MessageMalformed(problem))
}

/// The label that the value of an attribute becomes: a string itself, lists and maps as JSON.
pub(super) fn label(value: serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text,
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    }
}
