//! Where a series came from: the name of its file, and its times as they were written.
//!
//! Only who writes or reads a file of scores beside the data needs it: such a file has the name, the rows and the
//! times of the data.

use std::path::{Path, PathBuf};

/// Where a series came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesOrigin {
    /// The name of its file, below the folder of the data.
    pub file: PathBuf,
    /// The times of its rows.
    pub times: TimeTexts,
}

impl SeriesOrigin {
    /// The name of the only series of a file.
    pub(super) fn of_file(path: &Path) -> PathBuf {
        let name = PathBuf::from(path.file_name().unwrap_or(path.as_os_str()));
        // Standard input has no name that ends in anything.
        if name.extension().is_some() { name } else { name.with_extension("csv") }
    }

    /// The name of one of several series of a file: `<file>/<series>.csv`.
    pub(super) fn of_part(path: &Path, series: &str) -> PathBuf {
        let stem = path.file_stem().unwrap_or(path.as_os_str());
        PathBuf::from(stem).join(file_name_safe(series) + ".csv")
    }
}

/// A text as the name of a file or folder anywhere: other characters than letters, digits, `.` and `-` become `_`.
pub fn file_name_safe(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '_' };
    text.chars().map(safe).collect()
}

/// Texts of times, in one piece of memory: a string of its own for each row would double what a history needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimeTexts {
    text: String,
    ends: Vec<usize>,
}

impl TimeTexts {
    /// Appends one.
    pub fn push(&mut self, time: &str) {
        self.text.push_str(time);
        self.ends.push(self.text.len());
    }

    /// All of them, in order.
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
