//! Readers of labeled data: a CSV file, a folder of them, or the layout of the Numenta benchmark.
//!
//! Errors name file and line. Irregularities that real data has (missing numbers, times that repeat or step back) are
//! tolerated with a warning, unless they are most of a series; mistakes (a missing column, a label that is neither 0 nor
//! 1) and texts with two meanings are errors. Warnings are returned, never printed.

mod csv_layout;
mod csv_number;
mod csv_text;
mod dataset;
mod folder;
mod nab;
mod origin;
mod scores;
mod series_draft;
mod time;

pub use self::csv_text::{FILE_ROWS_MAX, read_csv, read_csv_from};
pub use self::dataset::Dataset;
pub use self::folder::read_folder;
pub use self::nab::{read_nab, read_nab_file};
pub use self::origin::{SeriesOrigin, TimeTexts, file_name_safe};
pub use self::scores::{SCORE_COLUMN, read_scores};
