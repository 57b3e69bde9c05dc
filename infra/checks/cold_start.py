"""Measures the cold start of the packaged functions and of an empty function as reference.

    python3 checks/cold_start.py FOLDER EMPTY            prints the table
    python3 checks/cold_start.py FOLDER EMPTY --write    also writes it into the README of this folder

FOLDER contains the packages of `make lambda-build`; EMPTY is the binary of the empty function. A Runtime API on loopback
starts each twenty times, in turns; a local Redis is running. Fails if a median is over twice that of the empty function,
or a package is larger than six megabytes.
"""

import contextlib
import json
import shutil
import statistics
import sys
import tempfile
import zipfile
from pathlib import Path

from processes import free_port, running
from runtime_api import Function
from splice import splice

INFRA = Path(__file__).resolve().parent.parent
EVENTS = INFRA.parent / "events"
N_ROUNDS = 20
RATIO_MAX = 2.0
PACKAGE_BYTES_MAX = 6_000_000

FIRST_EVENTS = {
    "empty": "apigw-v2-ingest-sample.json",
    "ingest": "apigw-v2-ingest-sample.json",
    "analyze": "apigw-v2-analyze-summary.json",
    "ingest-stream": "sqs-batch.json",
}
FUNCTIONS = [name for name in FIRST_EVENTS if name != "empty"]


def start(binary: Path, environment: dict[str, str], event: dict) -> tuple[float, float]:
    """Returns the milliseconds until the function polls for its first event, and until it answers."""
    with Function(binary, environment) as function:
        polled_s = function.first_poll_s()
        kind, answer, answered_s = function.invoke(event)
        assert kind == "response", (kind, answer)
        return 1000 * polled_s, 1000 * answered_s


def main() -> int:
    packages, empty, *writes = sys.argv[1:]
    packages = Path(packages).resolve()
    port = free_port()
    environment = {"REDIS_URL": f"redis://127.0.0.1:{port}", "TIDEMARK_ACCESS": "open", "RUST_LOG": "warn"}
    events = {name: json.loads((EVENTS / file).read_text()) for name, file in FIRST_EVENTS.items()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in events}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(running(["redis-server", "--port", str(port), "--save", "", "--dir", str(folder)]))
        binaries = {"empty": Path(shutil.copy(empty, folder / "empty"))}
        for name in FUNCTIONS:
            with zipfile.ZipFile(packages / name / "bootstrap.zip") as package:
                package.extract("bootstrap", folder / name)
            binaries[name] = folder / name / "bootstrap"
            binaries[name].chmod(0o755)
        for name in events:
            # The first start reads the file from disk, which is not part of the comparison.
            start(binaries[name], environment, events[name])
        for _round in range(N_ROUNDS):
            for name, event in events.items():
                times[name].append(start(binaries[name], environment, event))

    empty_ms = statistics.median(measured[1] for measured in times["empty"])
    lines = ["| function | package (MB) | first poll (ms) | first answer (ms) | ratio to `empty` |", "|---|---:|---:|---:|---:|"]
    is_good = True
    for name, measured in times.items():
        size = (packages / name / "bootstrap.zip").stat().st_size if name in FUNCTIONS else 0
        size_mb = f"{size / 1e6:.2f}" if size else ""
        polled_ms, answered_ms = (statistics.median(times[n] for times in measured) for n in (0, 1))
        ratio = answered_ms / empty_ms
        lines.append(f"| `{name}` | {size_mb} | {polled_ms:.1f} | {answered_ms:.1f} | {ratio:.2f} |")
        if ratio > RATIO_MAX or size > PACKAGE_BYTES_MAX:
            print(f"cold start: `{name}` is over {RATIO_MAX} times the empty function, or {PACKAGE_BYTES_MAX} bytes", file=sys.stderr)
            is_good = False
    table = "\n".join(lines) + "\n"
    print(table, end="")
    if writes:
        splice(INFRA / "README.md", {"cold-start": table}, writes, "make cold-start")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
