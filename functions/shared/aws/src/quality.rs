//! What the evaluator measured, kept beside the episodes: a row of a record for each data set, detector, commit and seed.
//!
//! No part of the port of history: no function reads or writes it. The same measurement again replaces itself.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use store::HistoryError;

use crate::Dynamo;
use crate::failure::failure;
use crate::item::{number, text};

/// The partition of all of them; that of a series has a `#` in it.
const QUALITY: &str = "quality";

/// Most rows that are read: more than anybody looks at.
const ROWS_MAX: usize = 10_000;

/// A row of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualityRow {
    /// The scenario, or the folder of data.
    pub dataset: String,
    /// The text of the detector.
    pub detector: String,
    /// The commit that was measured; none outside a repository.
    pub commit: Option<String>,
    /// The seed of everything random.
    pub seed: u64,
    /// The command that measures it again.
    pub command: String,
    /// When it was kept, in microseconds since the Unix epoch.
    pub kept_us: i64,
    /// All that was measured, as JSON.
    pub row: String,
}

impl QualityRow {
    fn item(&self) -> HashMap<String, AttributeValue> {
        let commit = self.commit.as_deref().unwrap_or("-");
        // No spec, commit or seed holds a space; a data set comes last but for them, and may.
        let place = format!("{} {} {commit} {}", self.dataset, self.detector, self.seed);
        let mut attributes = vec![
            ("pk", text(QUALITY)),
            ("sk", text(place)),
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

    fn of(item: &HashMap<String, AttributeValue>) -> Option<Self> {
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

impl Dynamo {
    /// Keeps a row for good.
    pub async fn keep_quality(&self, row: &QualityRow) -> Result<(), HistoryError> {
        let put = self.client.put_item().table_name(&self.options.table);
        let put = put.set_item(Some(row.item())).send().await;
        put.map(|_| ()).map_err(|error| failure(&error))
    }

    /// All rows, by data set and detector.
    pub async fn quality(&self) -> Result<Vec<QualityRow>, HistoryError> {
        let (mut rows, mut from) = (Vec::new(), None);
        while rows.len() < ROWS_MAX {
            let query = self.client.query().table_name(&self.options.table);
            let query = query
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", text(QUALITY))
                .set_exclusive_start_key(from);
            let answer = query.send().await.map_err(|error| failure(&error))?;
            for item in answer.items.unwrap_or_default() {
                rows.push(QualityRow::of(&item).ok_or(HistoryError::Unreadable)?);
            }
            from = answer.last_evaluated_key;
            if from.is_none() {
                break;
            }
        }
        Ok(rows)
    }
}
