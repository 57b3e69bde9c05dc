"""Figures of the measurements in `load.py`: rows of its tables, and values of a record of `evaluator load`."""

import statistics
import sys

MB = 1024 * 1024


def log(text):
    print(text, file=sys.stderr, flush=True)


class Results:
    """Rows of the two tables, and the constants for `evaluator capacity`."""

    def __init__(self):
        self.rows, self.growth, self.constants = [], [], {}

    def row(self, figure, measured, target="", met=None):
        self.rows.append((figure, measured, target, {True: "yes", False: "**no**", None: ""}[met]))
        log(f"  {figure}: {measured}  {target}  {self.rows[-1][3]}")

    def grows(self, case, record):
        """Adds a row to the second table."""
        figures, cost = total(record), costs(record)
        share = "" if figures["accepted"] == figures["samples"] else f", {100 * figures['accepted'] / figures['samples']:.1f} % accepted"
        latencies = [f"{cost[name]:.1f} ms" for name in ("p50_ms", "p99_ms")]
        each = [f"{cost[name]:.1f} us" for name in ("function_us_per_sample", "redis_us_per_sample")]
        self.growth.append((case, rate(cost["samples_per_s"]) + share, *latencies, *each))
        log(f"  {': '.join(self.growth[-1])}")


TARGET_TITLES = "figure", "measured", "target", "met"
GROWTH_TITLES = "case", "samples", "p50", "p99", "function time per sample", "Redis time per sample"


def table(titles, rows):
    lines = [titles, ("---", *("---:" for _ in titles[1:])), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def median(values):
    return statistics.median(values)


def rate(value):
    return f"{value:,.0f}/s"


def total(record):
    return record["total"]


def costs(record):
    """Returns the time of the function and of Redis per sample, in microseconds."""
    figures, cost = total(record), record["total"]["cost"]
    samples_per_s = max(figures["samples_per_s"], 1e-9)
    return {
        "samples_per_s": round(figures["samples_per_s"], 1),
        "function_us_per_sample": round(1e6 * cost["server_cores"] / samples_per_s, 3),
        "redis_us_per_sample": round(1e6 * cost["redis_cores"] / samples_per_s, 3),
        "script_us_per_sample": round(1e6 * cost["redis_script_cores"] / samples_per_s, 3),
        "p50_ms": round(figures["latency_ms"]["p50"], 3),
        "p99_ms": round(figures["latency_ms"]["p99"], 3),
    }


def fill(lab, process, n_series, n_samples):
    """Sends `n_samples` samples to each of `n_series` series."""
    left = n_series * n_samples
    # One client, so that no sample overtakes another.
    while left > 0:
        record = lab.load(process.url, "--clients", 1, "--batch", 500, "--series", n_series, seconds=min(lab.seconds, 5))
        left -= total(record)["accepted"]
        if total(record)["accepted"] == 0:
            sys.exit(f"load: no sample was accepted: {total(record)['errors']}")
