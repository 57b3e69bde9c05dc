//! The series to replay: a generated one, and two of the Numenta benchmark if it is on this machine.

use std::path::{Path, PathBuf};

use domain::Sample;
use quality::labeled::LabeledRow;
use quality::read::read_csv;

use crate::system::evaluator;

/// Three days of minutes with an anomaly of each sort.
const SCENARIO: &str = r#"
analysis = "Three days of a busy series, short enough to be replayed in a second."
seed = 7
n_series = 1

[traffic]
days = 3.0
interval_s = 60
noises = ["negbin"]
kinds = ["spike", "burst", "dip", "outage", "level_shift", "ramp", "variance", "gap", "storm"]
n_events = 12
strength = 1.5
clean_days = 1.0
"#;

/// Load and CPU of a service; their times rise without a repetition, so each row is one sample.
const BENCHMARK_FILES: [&str; 2] = [
    "realAWSCloudwatch/elb_request_count_8c0756.csv",
    "realAWSCloudwatch/ec2_cpu_utilization_825cc2.csv",
];

/// A series to replay.
pub(crate) struct Input {
    /// Metric name of the samples.
    pub(crate) metric: String,
    /// Its rows, as `score --csv` reads them.
    pub(crate) csv: PathBuf,
    /// Arguments of `replay` for the series with its labels.
    pub(crate) arguments: Vec<String>,
}

impl Input {
    /// A generated series, written into `folder`.
    pub(crate) fn generated(folder: &Path) -> Self {
        let scenario = folder.join("busy.toml");
        std::fs::write(&scenario, SCENARIO).unwrap();
        let output = evaluator(&["generate", &scenario.to_string_lossy()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let csv = folder.join("busy.csv");
        std::fs::write(&csv, output.stdout).unwrap();
        let arguments = vec!["--csv".to_owned(), csv.to_string_lossy().into_owned()];
        Self { metric: "busy".to_owned(), csv, arguments }
    }

    /// The series of the benchmark; without it, prints that nothing was checked.
    pub(crate) fn benchmark() -> Vec<Self> {
        let Some(root) = data_folder().map(|data| data.join("nab")) else {
            println!("NOT CHECKED: no `nab` folder in $TIDEMARK_DATA or ../shared/data");
            return Vec::new();
        };
        let root_text = root.to_string_lossy();
        let input = |file: &str| Self {
            metric: file.to_owned(),
            csv: root.join("data").join(file),
            arguments: ["--nab", &root_text, "--file", file].map(str::to_owned).to_vec(),
        };
        BENCHMARK_FILES.into_iter().map(input).collect()
    }

    /// All series.
    pub(crate) fn all(folder: &Path) -> Vec<Self> {
        let mut all = vec![Self::generated(folder)];
        all.extend(Self::benchmark());
        all
    }

    /// Its samples, in time order.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let dataset = read_csv(&self.csv).unwrap();
        assert_eq!((dataset.series.len(), dataset.warnings.len()), (1, 0), "{}", self.metric);
        dataset.series[0].rows.iter().filter_map(LabeledRow::sample).collect()
    }
}

/// The folder of labeled data, if it is on this machine.
fn data_folder() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "tests are configured by the environment only")]
    let named = std::env::var("TIDEMARK_DATA").ok().map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    named.or(Some(beside)).filter(|folder| folder.join("nab").is_dir())
}
