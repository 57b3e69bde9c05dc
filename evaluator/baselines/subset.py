"""The part of the data that a limited run scored, in the layout of the data.

The evaluator scores a detector on every row of a folder, so a part needs a folder of its own.
"""

import json
import shutil
from itertools import islice
from pathlib import Path

from series import parse_time, read_series

WINDOWS = Path("labels") / "combined_windows.json"


def copy_files(root: Path, files: list[Path], to: Path, rows_max: int | None) -> None:
    """Copy the files up to `rows_max` rows, in place of an earlier part."""
    if to.exists():
        shutil.rmtree(to)
    for path in files:
        (to / path).parent.mkdir(parents=True, exist_ok=True)
        n_lines = None if rows_max is None else rows_max + 1
        with open(root / path, encoding="utf-8") as whole, open(to / path, "w") as part:
            part.writelines(islice(whole, n_lines))


def copy_windows(nab: Path, files: list[Path], to: Path) -> None:
    """Copy the windows of the copied files, but those that begin after the last copied row."""
    windows = json.loads((nab / WINDOWS).read_text(encoding="utf-8"))
    kept = {}
    for path in files:
        end_s = max(read_series(to / "data", path).at_s)
        of_file = windows.get(path.as_posix(), [])
        kept[path.as_posix()] = [window for window in of_file if parse_time(window[0]) <= end_s]
    (to / WINDOWS).parent.mkdir(parents=True, exist_ok=True)
    (to / WINDOWS).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
