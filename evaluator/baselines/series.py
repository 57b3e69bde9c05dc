"""Series as files hold them, and scores as the evaluator reads them.

Every row of the input has one row in the output, with the very text of its time; nothing is sorted,
repaired or left out, because the evaluator matches scores to labels by row.
"""

import csv
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

# Below these a number is Unix seconds, or milliseconds; above them microseconds (the year 5138).
SECONDS_MAX = 1e11
MILLISECONDS_MAX = 1e14


class SeriesError(Exception):
    """A file that cannot be read as a series; the message names file and line."""


@dataclass(frozen=True)
class Series:
    """One series: times as written and as Unix seconds, values (NaN where there is none)."""

    path: Path
    timestamps: list[str]
    at_s: list[float]
    values: list[float]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.values)

    def prefix(self, n_rows: int | None) -> "Series":
        """Return the first `n_rows` rows, all of them for none."""
        cut = slice(n_rows)
        return Series(self.path, self.timestamps[cut], self.at_s[cut], self.values[cut])


def find_files(root: Path, pattern: str) -> list[Path]:
    """List the files of a folder, relative to it, in the order of the names."""
    files = sorted(path.relative_to(root) for path in root.glob(pattern))
    if not files:
        raise SeriesError(f"there is no CSV file in `{root}`")
    return files


def spread(files: list[Path], n_max: int | None) -> list[Path]:
    """Choose at most `n_max` files, evenly spread over the list so that every kind is met."""
    if n_max is None or n_max >= len(files):
        return files
    return [files[i * len(files) // n_max] for i in range(n_max)]


def read_series(root: Path, path: Path) -> Series:
    """Read `timestamp,value`, columns in any order, others ignored."""
    with open(root / path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        names = {name.strip().lower(): name for name in reader.fieldnames or []}
        if "timestamp" not in names or "value" not in names:
            raise SeriesError(f"`{root / path}` has no columns `timestamp` and `value`")
        if "series" in names:
            raise SeriesError(f"`{root / path}` holds several series: expected one per file")
        series = Series(path, [], [], [])
        for row in reader:
            text = row[names["timestamp"]]
            try:
                series.at_s.append(parse_time(text))
            except ValueError as error:
                where = f"`{root / path}` line {reader.line_num}"
                raise SeriesError(f"{where}: `{text}` is no time") from error
            series.timestamps.append(text)
            series.values.append(parse_value(row[names["value"]]))
    return series


def parse_time(text: str) -> float:
    """Read Unix seconds, milliseconds or microseconds, or text (UTC without an offset)."""
    try:
        number = float(text)
    except ValueError:
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(number):
        raise ValueError(text)
    if number < SECONDS_MAX:
        return number
    return number / (1e3 if number < MILLISECONDS_MAX else 1e6)


def parse_value(text: str | None) -> float:
    """Read a value; whatever is no finite number is NaN."""
    try:
        number = float(text or "nan")
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def write_scores(folder: Path, series: Series, scores: list[float]) -> None:
    """Write `timestamp,anomaly_score`, one row per row of the series, at the same relative path."""
    path = folder / series.path
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["timestamp", "anomaly_score"])
        writer.writerows(zip(series.timestamps, map(repr, scores), strict=True))
