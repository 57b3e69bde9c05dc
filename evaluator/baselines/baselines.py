"""Runs other people's detectors over series, one sample at a time, and writes their scores.

`evaluator score --from-scores` counts them by the same rules as its own detectors.
Exit codes: 0 done, 2 wrong arguments, 3 input cannot be read or a program is missing.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from detectors import BASELINES
from detectors.promql import PrometheusMissingError
from series import Series, SeriesError, find_files, read_series, spread, write_scores
from subset import copy_files, copy_windows

COST_COLUMNS = [
    "detector",
    "version",
    "threshold",
    "n_series",
    "n_samples",
    "n_failed",
    "cpu_s",
    "us_per_sample",
]


def main() -> int:
    """Run each wanted detector over all series."""
    args = parse_arguments()
    root, pattern = (args.nab / "data", "*/*.csv") if args.nab else (args.folder, "*.csv")
    try:
        files = spread(find_files(root, pattern), args.series_max)
        if args.series_max or args.rows_max:
            write_subset(args.out / "subset", root, files, args)
        for name in args.detector or BASELINES:
            series = (read_series(root, path).prefix(args.rows_max) for path in files)
            run(name, series, args.out)
    except (SeriesError, PrometheusMissingError, OSError) as error:
        print(f"baselines: {error}", file=sys.stderr)
        return 3
    return 0


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="run.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("folder", nargs="?", type=Path, help="CSV files: timestamp,value[,label]")
    source.add_argument("--nab", type=Path, help="the folder of the Numenta benchmark")
    parser.add_argument("--out", type=Path, required=True, help="gets <detector>/<file>.csv")
    parser.add_argument(
        "--detector",
        action="append",
        choices=list(BASELINES),
        metavar="NAME",
        help="only this one; may be repeated: " + ", ".join(BASELINES),
    )
    parser.add_argument(
        "--series-max", type=positive, help="at most so many series, evenly spread over the list"
    )
    parser.add_argument("--rows-max", type=positive, help="at most so many first rows of each")
    return parser.parse_args()


def positive(text: str) -> int:
    """Read a number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a number from 1 on")
    return number


def write_subset(subset: Path, root: Path, files: list[Path], args: argparse.Namespace) -> None:
    """Write the part of the data that is scored: the evaluator wants a score for every row."""
    copy_files(root, files, subset / "data" if args.nab else subset, args.rows_max)
    if args.nab:
        copy_windows(args.nab, files, subset)


def run(name: str, all_series: Iterator[Series], out: Path) -> None:
    """Write the scores of one detector, and what they cost."""
    baseline = BASELINES[name]
    n_series = n_samples = n_failed = 0
    cpu_s = 0.0
    for scored in baseline.score(all_series):
        write_scores(out / name, scored.series, scored.scores)
        n_series += 1
        n_samples += len(scored.series)
        n_failed += scored.n_failed
        cpu_s += scored.cpu_s
        print(f"{name}: {scored.series.path} {scored.cpu_s:.1f} s", file=sys.stderr)
    cost = {
        "detector": name,
        "version": baseline.version(),
        "threshold": "" if baseline.threshold is None else baseline.threshold,
        "n_series": n_series,
        "n_samples": n_samples,
        "n_failed": n_failed,
        "cpu_s": f"{cpu_s:.2f}",
        "us_per_sample": f"{cpu_s / max(n_samples, 1) * 1e6:.1f}",
    }
    write_cost(out / "cost.csv", cost)


def write_cost(path: Path, cost: dict[str, object]) -> None:
    """Add a row, in place of an older one of the same detector."""
    rows: list[dict] = []
    if path.exists():
        with open(path, newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["detector"] != cost["detector"]]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COST_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, cost])


if __name__ == "__main__":
    sys.exit(main())
