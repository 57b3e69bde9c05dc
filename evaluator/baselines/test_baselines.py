"""What every baseline promises: a score for each row, in place, that knows nothing of later rows.

`./run.sh test` runs them. Those of PromQL fail where Prometheus is absent.
"""

import csv
import io
import json
import math
import os
import random
import sys
import tempfile
import unittest
from contextlib import redirect_stderr
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import baselines
from detectors import BASELINES
from detectors.base import SATURATED, SCORE_MAX, in_thresholds
from detectors.promql import accepted_rows, regular_runs
from series import Series, parse_time, parse_value, read_series, spread

# A day and a half of five minutes: the daily rules have a yesterday.
N_ROWS = 440
PREFIX_ROWS = 400
INTERVAL_S = 300


def rows() -> list[tuple[str, str]]:
    """Make a noisy day with a spike, a missing value, a repeated and a back-stepping time."""
    noise = random.Random(7)
    made = []
    for i in range(N_ROWS):
        day = math.sin(2 * math.pi * i * INTERVAL_S / 86_400)
        value = 900.0 if i == 390 else 100 + 20 * day + noise.gauss(0, 3)
        at_s = 1_400_000_100 + INTERVAL_S * (i - (i == 350) - 3 * (i == 360))
        text = datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
        made.append((text, "NaN" if i == 340 else repr(value)))
    return made


def write_csv(path: Path, lines: list[tuple[str, str]]) -> None:
    """Write a file of series as the benchmark has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("timestamp", "value"), *lines])


def run(*arguments: object) -> tuple[int, str]:
    """Run the command line; returns its exit code and stderr."""
    message = io.StringIO()
    command = ["baselines.py", *map(str, arguments)]
    with patch.object(sys, "argv", command), redirect_stderr(message):
        return baselines.main(), message.getvalue()


class Folder(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self) -> None:
        """Make it."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)


class EveryBaseline(Folder):
    """Promises that hold for each detector."""

    def test_scores_have_the_rows_of_the_data(self) -> None:
        """Same path, count, order and text of times; finite scores; a cost for each detector."""
        write_csv(self.folder / "nab/data/cat/a.csv", rows())
        out = self.folder / "out"
        code, message = run("--nab", self.folder / "nab", "--out", out)
        self.assertEqual(code, 0, message)
        for name in BASELINES:
            with self.subTest(name), open(out / name / "cat/a.csv", newline="") as file:
                header, *scores = csv.reader(file)
                self.assertEqual(header, ["timestamp", "anomaly_score"])
                self.assertEqual([at for at, _ in scores], [at for at, _ in rows()])
                self.assertTrue(all(math.isfinite(float(score)) for _, score in scores))
                self.assertEqual(float(scores[340][1]), 0.0, "a row without a number")
                self.assertGreater(float(scores[390][1]), 0.0, "a spike")
        with open(out / "cost.csv", newline="") as file:
            costs = list(csv.DictReader(file))
        self.assertEqual([cost["detector"] for cost in costs], list(BASELINES))
        self.assertEqual({cost["n_failed"] for cost in costs}, {"0"})

    def test_nothing_is_looked_at_ahead(self) -> None:
        """The scores of a prefix are the prefix of the scores."""
        write_csv(self.folder / "a.csv", rows())
        series = read_series(self.folder, Path("a.csv"))
        for name, baseline in BASELINES.items():
            with self.subTest(name):
                whole = next(iter(baseline.score([series]))).scores
                part = next(iter(baseline.score([series.prefix(PREFIX_ROWS)]))).scores
                self.assertEqual(part, whole[:PREFIX_ROWS])

    def test_series_do_not_learn_from_each_other(self) -> None:
        """A series has the same scores alone and as the second one."""
        write_csv(self.folder / "a.csv", rows())
        series = read_series(self.folder, Path("a.csv")).prefix(PREFIX_ROWS)
        for name, baseline in BASELINES.items():
            with self.subTest(name):
                first, second = baseline.score([series, series])
                self.assertEqual(first.scores, second.scores)


class CommandLine(Folder):
    """Limits, layouts and errors."""

    def test_a_limited_run_leaves_the_part_that_it_scored(self) -> None:
        """The part has the layout of the data, and only the windows that begin in it."""
        nab = self.folder / "nab"
        for name in "abc":
            write_csv(nab / f"data/cat/{name}.csv", rows())
        times = [at for at, _ in rows()]
        windows = [[times[50], times[60]], [times[95], times[120]], [times[200], times[210]]]
        (nab / "labels").mkdir()
        every = {f"cat/{name}.csv": windows for name in "abc"}
        (nab / "labels/combined_windows.json").write_text(json.dumps(every))
        limits = ["--detector", "river-gaussian", "--series-max", 1, "--rows-max", 100]
        code, message = run("--nab", nab, "--out", self.folder / "out", *limits)
        self.assertEqual(code, 0, message)
        subset = self.folder / "out/subset"
        self.assertEqual(len(read_series(subset / "data", Path("cat/a.csv"))), 100)
        kept = json.loads((subset / "labels/combined_windows.json").read_text())
        self.assertEqual(kept, {"cat/a.csv": windows[:2]})

    def test_missing_prometheus_is_an_error_that_says_how_to_install_it(self) -> None:
        """Nothing is skipped."""
        write_csv(self.folder / "a.csv", rows())
        with patch.dict(os.environ, {"PATH": ""}):
            code, message = run(
                self.folder, "--out", self.folder / "out", "--detector", "promql-zscore"
            )
        self.assertEqual(code, 3)
        self.assertIn("apt-get install prometheus", message)

    def test_a_file_that_is_no_series_is_named(self) -> None:
        """The message has file and line."""
        write_csv(self.folder / "a.csv", [("yesterday", "1")])
        code, message = run(self.folder, "--out", self.folder / "out", "--detector", "rrcf")
        self.assertEqual(code, 3)
        self.assertRegex(message, "a.csv` line 2: `yesterday` is no time")


class Parts(unittest.TestCase):
    """The small functions."""

    def test_every_way_to_write_a_time_gives_the_same_seconds(self) -> None:
        """The same ones as in the evaluator."""
        for text in ("1397114100", "1397114100000", "2014-04-10 07:15:00", "2014-04-10T07:15:00Z"):
            self.assertEqual(parse_time(text), 1_397_114_100.0, text)

    def test_what_is_no_finite_number_is_nan(self) -> None:
        """Empty fields are missing values."""
        for text in ("", "NaN", "inf", "none", None):
            self.assertTrue(math.isnan(parse_value(text)), text)

    def test_scores_are_in_thresholds_and_finite(self) -> None:
        """Above 1 is an alarm; no opinion is 0."""
        self.assertEqual(in_thresholds(6.0, 3.0), 2.0)
        self.assertEqual(in_thresholds(6.0, None), 6.0)
        self.assertGreater(in_thresholds(1.0, SATURATED), 1.0)
        self.assertEqual(in_thresholds(math.inf, 3.0), SCORE_MAX)
        self.assertEqual(in_thresholds(math.nan, 3.0), 0.0)
        self.assertEqual(in_thresholds(None, None), 0.0)

    def test_prometheus_refuses_what_does_not_come_after(self) -> None:
        """Repeated, back-stepping and missing samples are not stored."""
        series = Series(Path("a"), [""] * 5, [60, 60, 30, 120, 180], [1, 2, 3, math.nan, 5])
        self.assertEqual(accepted_rows(series), [(0, 60), (4, 180)])

    def test_runs_lie_on_a_grid_that_one_query_covers(self) -> None:
        """Regular times are one run; a long hole between odd seconds ends one."""
        self.assertEqual(list(regular_runs([0, 60, 180])), [[0, 60, 180]])
        self.assertEqual(list(regular_runs([0, 60, 100_001])), [[0, 60], [100_001]])
        self.assertEqual([len(run) for run in regular_runs(list(range(12_000)))], [11_000, 1_000])

    def test_chosen_series_are_spread(self) -> None:
        """Every kind of the list is met."""
        files = [Path(str(i)) for i in range(10)]
        self.assertEqual(spread(files, 3), [files[0], files[3], files[6]])
        self.assertEqual(spread(files, 20), files)


if __name__ == "__main__":
    unittest.main()
