//! Reads variables and collects every mistake, so that all are reported at once.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;

use thiserror::Error;

use super::variable::{Values, Variable};

/// Every mistake in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", mistakes.join("\n"))]
pub struct ConfigError {
    /// One sentence per mistake: the variable, its value and what was expected.
    pub mistakes: Vec<String>,
}

impl ConfigError {
    /// Creates an error with one mistake.
    pub fn one(mistake: impl Into<String>) -> Self {
        Self { mistakes: vec![mistake.into()] }
    }
}

/// Variables of the environment, and the mistakes found in them so far.
pub(super) struct ConfigReader {
    pub(super) vars: BTreeMap<String, String>,
    pub(super) mistakes: Vec<String>,
}

impl ConfigReader {
    /// Reports unknown names that start with `TIDEMARK_`, because they are probably misspelled.
    pub(super) fn new(vars: impl Iterator<Item = (String, String)>) -> Self {
        let vars: BTreeMap<String, String> = vars.collect();
        // Kubernetes injects variables of these forms for a service named `tidemark`.
        let is_injected = |name: &str| {
            ["_SERVICE_HOST", "_PORT"].iter().any(|end| name.ends_with(end))
                || ["_SERVICE_PORT", "_PORT_"].iter().any(|part| name.contains(part))
        };
        let is_declared = |name: &str| Variable::ALL.iter().any(|variable| variable.name == name);
        let unknown = vars.keys().filter(|name| {
            name.starts_with("TIDEMARK_") && !is_declared(name) && !is_injected(name)
        });
        let mistakes =
            unknown.map(|name| format!("{name} is unknown: is it misspelled?")).collect();
        Self { vars, mistakes }
    }

    /// Returns the trimmed value of a variable; `None` if it is absent or empty.
    pub(super) fn text(&self, variable: &Variable) -> Option<String> {
        let text = self.vars.get(variable.name)?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    pub(super) fn mistake(&mut self, variable: &Variable, text: &str, expected: impl Display) {
        self.mistakes.push(format!("{} `{text}` is invalid: expected {expected}", variable.name));
    }

    /// Reads a number in the range of its variable, or the default.
    pub(super) fn number(&mut self, variable: &Variable) -> u64 {
        let default = variable.default.parse().unwrap_or_default();
        self.number_or(variable, default)
    }

    /// Reads a number whose default depends on other variables.
    pub(super) fn number_or(&mut self, variable: &Variable, default: u64) -> u64 {
        let Values::Number(range) = &variable.values else { return default };
        let Some(text) = self.text(variable) else { return default };
        text.parse().ok().filter(|value| range.contains(value)).unwrap_or_else(|| {
            self.mistake(variable, &text, format!("a whole number in {range:?}"));
            default
        })
    }

    /// Reads one of the declared words and returns the value at its position; the first one is the default.
    pub(super) fn choice<T: Copy, const N: usize>(
        &mut self,
        variable: &Variable,
        values: [T; N],
    ) -> T {
        let Values::Choice(words) = variable.values else { return values[0] };
        let Some(text) = self.text(variable) else { return values[0] };
        let found = words.iter().zip(values).find(|(word, _)| **word == text);
        found.map_or_else(
            || {
                self.mistake(variable, &text, format!("one of {}", words.join(", ")));
                values[0]
            },
            |(_, value)| value,
        )
    }

    /// Reads the text of a variable, or of the file that another variable names.
    pub(super) fn text_or_file(&mut self, variable: &Variable, file: &Variable) -> Option<String> {
        let Some(path) = self.text(file) else { return self.text(variable) };
        if self.text(variable).is_some() {
            let (name, file) = (variable.name, file.name);
            self.mistakes.push(format!("{name} and {file} are both set: expected one of them"));
        }
        self.file(file, &path)
    }

    /// Reads the file at `path`, which `variable` names.
    pub(super) fn file(&mut self, variable: &Variable, path: &str) -> Option<String> {
        let text = fs::read_to_string(path).map(|text| text.trim().to_owned());
        let problem = match text {
            Ok(text) if !text.is_empty() => return Some(text),
            Ok(_) => "it is empty".to_owned(),
            Err(error) => error.to_string(),
        };
        self.mistakes.push(format!("{} `{path}` cannot be read: {problem}", variable.name));
        None
    }
}
