"""Figures of the measurements in `load.py`: rows of its tables, and values of a record of `evaluator load`."""

import os
import pathlib
import re
import statistics
import sys

MB = 1024 * 1024


def log(text):
    print(text, file=sys.stderr, flush=True)


class Results:
    """Rows of the tables, and the constants for `evaluator capacity`."""

    def __init__(self):
        self.rows, self.senders, self.growth, self.constants = [], [], [], {}

    def row(self, figure, measured, target="", met=None):
        self.rows.append((figure, measured, target, {True: "yes", False: "**no**", None: ""}[met]))
        log(f"  {figure}: {measured}  {target}  {self.rows[-1][3]}")

    def sends(self, case, records, as_json=()):
        """Adds a row for samples in the format of another product, beside the same samples as JSON, round by round."""
        samples_per_s = lambda records: [total(record)["samples_per_s"] for record in records]
        measured = rate(median(samples_per_s(records)))
        if not as_json:
            self.senders.append((case, measured, "", "", "", ""))
        else:
            ratio = median([a / b for a, b in zip(samples_per_s(records), samples_per_s(as_json))])
            times = [f"{median([costs(record)['function_us_per_sample'] for record in group]):.1f} us" for group in (records, as_json)]
            times = f"{times[0]}, {times[1]} as JSON"
            met = "yes" if ratio >= 1 else "**no**"
            self.senders.append((case, measured, f"{ratio:.2f} of JSON", times, "≥ 1.0", met))
        log(f"  {': '.join(self.senders[-1])}")

    def grows(self, case, record):
        """Adds a row to the second table."""
        figures, cost = total(record), costs(record)
        share = "" if figures["accepted"] == figures["samples"] else f", {100 * figures['accepted'] / figures['samples']:.1f} % accepted"
        latencies = [f"{cost[name]:.1f} ms" for name in ("p50_ms", "p99_ms")]
        each = [f"{cost[name]:.1f} us" for name in ("function_us_per_sample", "redis_us_per_sample")]
        self.growth.append((case, rate(cost["samples_per_s"]) + share, *latencies, *each))
        log(f"  {': '.join(self.growth[-1])}")


TARGET_TITLES = "figure", "measured", "target", "met"
SENDERS_TITLES = "request", "samples", "beside JSON", "function time per sample", "target", "met"
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


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", info)
    return f"{os.cpu_count()} processors, {model[1].strip() if model else 'unknown'}"


def splice(path, name, text):
    """Replaces the text between two markers in a document."""
    document = path.read_text()
    begin, end = f"<!-- load:begin {name} -->", f"<!-- load:end {name} -->"
    before, rest = document.split(begin, 1)
    _, after = rest.split(end, 1)
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}")
