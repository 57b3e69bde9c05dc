//! The options that name the reports of a record, and their writing.

use std::path::{Path, PathBuf};

use quality::record::Record;
use quality::report::{self, ReportFormat};

use crate::output::{splice_into, write_stdout, write_to};
use crate::record_table;

/// Files of the reports; `-` is stdout. Without any of these a table is printed to stdout.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Reports (`-` is stdout; a table on stdout when none is given)")]
pub(crate) struct ReportOutput {
    /// Print the table even when files are written.
    #[arg(long)]
    table: bool,
    /// Write the record as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write one CSV line per scenario and detector.
    #[arg(long, value_name = "FILE")]
    csv_out: Option<PathBuf>,
    /// Write Markdown tables.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write one HTML page with charts.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Replace the text between `<!-- evaluator:begin NAME -->` and `<!-- evaluator:end NAME -->` in FILE.
    #[arg(long, num_args = 2, value_names = ["FILE", "NAME"])]
    splice: Option<Vec<String>>,
    /// Store each row in this DynamoDB table (region, endpoint and credentials as for every AWS SDK).
    #[arg(long = "record", value_name = "TABLE")]
    record_table: Option<String>,
}

impl ReportOutput {
    /// Writes the record in every requested form.
    pub(crate) fn write(&self, record: &Record) -> anyhow::Result<()> {
        let forms = [
            (&self.json, ReportFormat::Json),
            (&self.csv_out, ReportFormat::Csv),
            (&self.markdown, ReportFormat::Markdown),
            (&self.html, ReportFormat::Html),
        ];
        for (path, format) in forms {
            if let Some(path) = path {
                write_to(path, &report::render(record, format)?)?;
            }
        }
        if let Some([file, name]) = self.splice.as_deref() {
            splice_into(Path::new(file), name, &report::render(record, ReportFormat::Excerpt)?)?;
        }
        if let Some(table) = &self.record_table {
            record_table::store(table, record)?;
        }
        let has_form = forms.iter().any(|(path, _)| path.is_some()) || self.splice.is_some();
        if self.table || !has_form {
            write_stdout(&report::render(record, ReportFormat::Table)?)?;
        }
        Ok(())
    }

    /// True if a form that shows charts is requested.
    pub(crate) fn has_charts(&self) -> bool {
        self.json.is_some() || self.html.is_some()
    }
}
