//! Reads the layout of the Numenta benchmark: `data/<category>/*.csv` and `labels/combined_windows.json`.
//!
//! The files have no label column; a time window labels every row in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use super::csv_text::read_csv_as_written;
use super::dataset::Dataset;
use super::folder::csv_files;
use super::time;
use crate::labeled::{KIND_UNKNOWN, LabeledEvent, LabeledRow, LabeledSeries};

/// Windows by `<category>/<file>`: first and last time of each.
type Windows = BTreeMap<String, Vec<[String; 2]>>;

/// Reads a benchmark folder; series are named `<category>/<file>.csv`.
pub fn read_nab(root: &Path) -> anyhow::Result<Dataset> {
    let windows = read_windows(root)?;
    let data = root.join("data");
    let mut categories: Vec<_> = fs::read_dir(&data)
        .and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
        })
        .with_context(|| format!("read `{}`", data.display()))?;
    categories.retain(|category| category.is_dir());
    categories.sort();
    let mut all = Dataset::default();
    for file in categories
        .iter()
        .map(|category| csv_files(category))
        .collect::<Result<Vec<_>, _>>()?
        .concat()
    {
        all.extend(read_labeled(root, &name_of(&file), &windows)?);
    }
    ensure!(!all.series.is_empty(), "no `*.csv` in `{}`", data.display());
    Ok(all)
}

/// Reads one series of a benchmark folder, `<category>/<file>.csv`, without reading the others.
pub fn read_nab_file(root: &Path, name: &str) -> anyhow::Result<Dataset> {
    read_labeled(root, name, &read_windows(root)?)
}

fn read_labeled(root: &Path, name: &str, windows: &Windows) -> anyhow::Result<Dataset> {
    let mut dataset = read_csv_as_written(&root.join("data").join(name))?;
    for (series, origin) in dataset.series.iter_mut().zip(&mut dataset.origins) {
        name.clone_into(&mut series.name);
        origin.file = PathBuf::from(name);
        let labeled = match windows.get(name) {
            Some(windows) => label(series, windows),
            None => Err(anyhow::anyhow!("they are missing")),
        };
        labeled.with_context(|| format!("`{}`: labels of `{name}`", labels_of(root).display()))?;
    }
    Ok(dataset)
}

fn labels_of(root: &Path) -> PathBuf {
    root.join("labels").join("combined_windows.json")
}

fn read_windows(root: &Path) -> anyhow::Result<Windows> {
    let path = labels_of(root);
    let text = fs::read_to_string(&path).with_context(|| format!("read `{}`", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("`{}`: labels", path.display()))
}

fn name_of(file: &Path) -> String {
    let part = |path: Option<&Path>| {
        path.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned()
    };
    format!("{}/{}", part(file.parent()), part(Some(file)))
}

/// Turns each window into an anomaly with its rows.
fn label(series: &mut LabeledSeries, windows: &[[String; 2]]) -> anyhow::Result<()> {
    series.events.clear();
    for [first, last] in windows {
        let parsed =
            |text: &str| time::parse(text).with_context(|| format!("`{text}` is not a time"));
        let times_us = parsed(first)?..=parsed(last)?;
        // Times may step back, so a window spans the rows from the first to the last with a time in it.
        let inside = |row: &LabeledRow| times_us.contains(&row.at_us);
        let (Some(start), Some(end)) =
            (series.rows.iter().position(inside), series.rows.iter().rposition(inside))
        else {
            bail!("no row is between `{first}` and `{last}`");
        };
        if series.events.last().is_some_and(|event| event.rows.end > start) {
            bail!("the window from `{first}` to `{last}` overlaps the one before it");
        }
        for row in &mut series.rows[start..=end] {
            row.label = true;
        }
        series.events.push(LabeledEvent { kind: KIND_UNKNOWN.to_owned(), rows: start..end + 1 });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn benchmark(windows: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("data/cat")).unwrap();
        fs::create_dir_all(root.path().join("labels")).unwrap();
        let rows = "timestamp,value\n2020-01-01 00:00:00,1\n2020-01-01 00:05:00,2\n2020-01-01 00:10:00,3\n";
        fs::write(root.path().join("data/cat/a.csv"), rows).unwrap();
        fs::write(root.path().join("labels/combined_windows.json"), windows).unwrap();
        root
    }

    fn message(read: anyhow::Result<Dataset>) -> String {
        format!("{:#}", read.unwrap_err())
    }

    #[test]
    fn a_window_labels_the_rows_in_it() {
        let root = benchmark(
            r#"{"cat/a.csv": [["2020-01-01 00:05:00.000000", "2020-01-01 00:10:00.000000"]]}"#,
        );
        let series = &read_nab(root.path()).unwrap().series[0];
        assert_eq!(series.name, "cat/a.csv");
        assert_eq!(series.events[0].rows, 1..3);
        assert!(series.rows[1].label && !series.rows[0].label);
    }

    #[test]
    fn one_file_is_read_as_among_all() {
        let root = benchmark(r#"{"cat/a.csv": [["2020-01-01 00:05:00", "2020-01-01 00:05:00"]]}"#);
        let one = read_nab_file(root.path(), "cat/a.csv").unwrap();
        assert_eq!(one, read_nab(root.path()).unwrap());
        assert!(message(read_nab_file(root.path(), "cat/b.csv")).contains("read `"));
    }

    #[test]
    fn wrong_labels_and_missing_folders_are_named() {
        let cases = [
            ("{}", "they are missing"),
            ("[1]", "labels"),
            (r#"{"cat/a.csv": [["soon", "later"]]}"#, "`soon` is not a time"),
            (r#"{"cat/a.csv": [["2021-01-01 00:00:00", "2021-01-02 00:00:00"]]}"#, "no row"),
        ];
        for (windows, words) in cases {
            let message = message(read_nab(benchmark(windows).path()));
            assert!(message.contains(words) && message.contains("labels"), "{message}");
        }
        assert!(message(read_nab(Path::new("/does/not/exist"))).contains("/does/not/exist"));
    }
}
