//! Origin of a series: the name of its file, and the texts of its times.
//!
//! Files of scores have the same name, rows and times as the data, so their readers and writers need the origin.

use std::path::{Path, PathBuf};

/// File and times of a series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesOrigin {
    /// Name of its file, relative to the folder of the data.
    pub file: PathBuf,
    /// Times of its rows.
    pub times: TimeTexts,
}

impl SeriesOrigin {
    /// File name of the only series of a file.
    pub(super) fn of_file(path: &Path) -> PathBuf {
        let name = PathBuf::from(path.file_name().unwrap_or(path.as_os_str()));
        // Standard input has no extension.
        if name.extension().is_some() { name } else { name.with_extension("csv") }
    }

    /// File name of one of several series of a file: `<file>/<series>.csv`.
    pub(super) fn of_part(path: &Path, series: &str) -> PathBuf {
        let stem = path.file_stem().unwrap_or(path.as_os_str());
        PathBuf::from(stem).join(file_name_safe(series) + ".csv")
    }
}

/// Replaces all characters except letters, digits, `.` and `-` by `_`, for a valid file name on every system.
pub fn file_name_safe(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '_' };
    text.chars().map(safe).collect()
}

/// Texts of times in one buffer: a string per row would double the memory of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimeTexts {
    text: String,
    ends: Vec<usize>,
}

impl TimeTexts {
    /// Appends a text.
    pub fn push(&mut self, time: &str) {
        self.text.push_str(time);
        self.ends.push(self.text.len());
    }

    /// All texts, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.text.get(start..*end).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_as_they_were_written() {
        let mut times = TimeTexts::default();
        let texts = ["2014-04-01 00:00:00", "", "1397114100", "2014-04-10T09:15:00+02:00"];
        for text in texts {
            times.push(text);
        }
        assert_eq!(times.iter().collect::<Vec<_>>(), texts);
    }

    #[test]
    fn no_name_of_a_series_leaves_its_folder() {
        assert_eq!(
            SeriesOrigin::of_part(Path::new("x/all.csv"), "../a b"),
            Path::new("all/.._a_b.csv")
        );
        assert_eq!(SeriesOrigin::of_file(Path::new("x/a.csv")), Path::new("a.csv"));
        assert_eq!(SeriesOrigin::of_file(Path::new("stdin")), Path::new("stdin.csv"));
    }
}
