//! Results of the evaluator, in the table of the history: a row for each data set, detector, commit and seed.
//!
//! They are not part of the port for history: no function reads or writes them. A repeated measurement replaces its row.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use store::HistoryError;

use super::HistoryTable;
use super::failure::failure;
use super::item::{number, text};

/// The partition of all rows; that of a series contains a `#`.
const QUALITY: &str = "quality";

/// Most rows of one read: more than a report shows.
const ROWS_MAX: usize = 10_000;

/// A result of the evaluator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualityRow {
    /// The scenario, or the folder of data.
    pub dataset: String,
    /// The text of the detector.
    pub detector: String,
    /// The measured commit; `None` outside a repository.
    pub commit: Option<String>,
    /// The seed of everything random.
    pub seed: u64,
    /// The command that repeats the measurement.
    pub command: String,
    /// Time of its write, in microseconds since the Unix epoch.
    pub kept_us: i64,
    /// All measured values, as JSON.
    pub row: String,
}

impl QualityRow {
    fn item(&self) -> HashMap<String, AttributeValue> {
        let commit = self.commit.as_deref().unwrap_or("-");
        // Unique: a data set may contain a space, but no spec, commit or seed does.
        let sk = format!("{} {} {commit} {}", self.dataset, self.detector, self.seed);
        let mut attributes = vec![
            ("pk", text(QUALITY)),
            ("sk", text(sk)),
            ("dataset", text(&self.dataset)),
            ("detector", text(&self.detector)),
            ("seed", AttributeValue::N(self.seed.to_string())),
            ("command", text(&self.command)),
            ("kept", number(self.kept_us)),
            ("row", text(&self.row)),
        ];
        attributes.extend(self.commit.as_ref().map(|commit| ("commit", text(commit))));
        attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn from_item(item: &HashMap<String, AttributeValue>) -> Option<Self> {
        let of_text = |name: &str| item.get(name)?.as_s().ok().cloned();
        let of_number = |name: &str| item.get(name)?.as_n().ok();
        Some(Self {
            dataset: of_text("dataset")?,
            detector: of_text("detector")?,
            commit: of_text("commit"),
            seed: of_number("seed")?.parse().ok()?,
            command: of_text("command")?,
            kept_us: of_number("kept")?.parse().ok()?,
            row: of_text("row")?,
        })
    }
}

impl HistoryTable {
    /// Writes a row that does not expire.
    pub async fn save_quality(&self, row: &QualityRow) -> Result<(), HistoryError> {
        let put = self.client.put_item().table_name(&self.options.table);
        let put = put.set_item(Some(row.item())).send().await;
        put.map(|_| ()).map_err(|error| failure(&error))
    }

    /// Reads all rows, by data set and detector.
    pub async fn quality(&self) -> Result<Vec<QualityRow>, HistoryError> {
        let (mut rows, mut next) = (Vec::new(), None);
        while rows.len() < ROWS_MAX {
            let query = self.client.query().table_name(&self.options.table);
            let query = query
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", text(QUALITY))
                .set_exclusive_start_key(next);
            let answer = query.send().await.map_err(|error| failure(&error))?;
            for item in answer.items.unwrap_or_default() {
                rows.push(QualityRow::from_item(&item).ok_or(HistoryError::Unreadable)?);
            }
            next = answer.last_evaluated_key;
            if next.is_none() {
                break;
            }
        }
        Ok(rows)
    }
}
