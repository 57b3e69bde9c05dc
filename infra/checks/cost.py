"""Estimates the cost of a month on AWS from the prices and assumptions in `prices.toml`.

    python3 checks/cost.py            prints the table
    python3 checks/cost.py --write    writes it into the README of this folder
    python3 checks/cost.py --check    fails if the README has a different table
"""

import math
import sys
import tomllib
from pathlib import Path

from splice import splice

HERE = Path(__file__).resolve().parent
P = tomllib.loads((HERE / "prices.toml").read_text())
HOURS = P["month"]["hours"]
MINUTES = 60 * HOURS
SAMPLES_AN_HOUR = [1_000, 100_000, 10_000_000]


class Traffic:
    """Samples, series and requests of a month."""

    def __init__(self, samples_an_hour: int):
        self.samples = samples_an_hour * HOURS
        self.series = math.ceil(samples_an_hour / P["traffic"]["samples_a_series_hour"])
        a_request = min(P["traffic"]["samples_a_request_max"], samples_an_hour / 60)
        self.requests = self.samples / a_request


def functions(traffic: Traffic, size: str) -> float:
    """The cost of requests, and of a sweep each minute that finds nothing to do."""
    ms = traffic.requests * P["function"]["ms_a_request"] + traffic.samples * P["function"]["ms_a_sample"][size]
    ms += MINUTES * P["function"]["ms_a_request"]
    gb_s = ms / 1000 * P["function"]["memory_gb"][size]
    invocations = traffic.requests + MINUTES
    return invocations / 1e6 * P["lambda"]["per_million_requests"] + gb_s * P["lambda"]["per_gb_s"]


def serverless_cache(traffic: Traffic) -> float:
    gb = max(P["cache_serverless"]["gb_min"], traffic.series * P["series"]["bytes"] / 1e9)
    units = traffic.samples * P["series"]["units_a_sample"]
    return gb * HOURS * P["cache_serverless"]["per_gb_hour"] + units / 1e6 * P["cache_serverless"]["per_million_units"]


def history(traffic: Traffic) -> float:
    """The cost of a month of writes, and of storing a year of episodes of one kilobyte each."""
    episodes = traffic.series * P["traffic"]["episodes_a_series_day"] * HOURS / 24
    writes = episodes * P["traffic"]["writes_an_episode"]
    return writes / 1e6 * P["table"]["per_million_writes"] + 12 * episodes * 1e-6 * P["table"]["per_gb_month"]


def log(traffic: Traffic) -> float:
    invocations = traffic.requests + MINUTES
    return invocations * P["function"]["log_bytes_a_request"] / 1e9 * P["logs"]["per_gb"]


def metrics(n: int) -> float:
    cost = 0.0
    for size, price in P["metrics"]["tiers"]:
        cost += min(n, size) * price
        n -= min(n, size)
    return cost + n * P["metrics"]["above_tiers"]


def traces(traffic: Traffic) -> float:
    """The cost of traces: Lambda traces the first request of each second, and one in twenty of the others."""
    invocations = traffic.requests + MINUTES
    seconds = MINUTES * 60
    traced = min(invocations, seconds) + 0.05 * max(0.0, invocations - seconds)
    return traced / 1e6 * P["traces"]["per_million"]


def minimal(traffic: Traffic) -> dict[str, float]:
    return {
        "functions": functions(traffic, "minimal"),
        "cache": serverless_cache(traffic),
        "history": history(traffic),
        "logs and metrics": log(traffic) + metrics(P["function"]["metrics"]),
        # Alarms of two functions and their URLs, of table and cache.
        "alarms and dashboard": 12 * P["alarms"]["per_metric"],
        "API, queue, stream, key, traces": 0.0,
    }


def complete(traffic: Traffic) -> dict[str, float]:
    # Lambda polls an idle queue with five pollers, each of which waits for twenty seconds.
    polls = 5 * 3 * MINUTES
    rest = (
        traffic.requests / 1e6 * P["api"]["per_million_requests"]
        + HOURS * P["kinesis"]["per_hour"]
        + polls / 1e6 * P["sqs"]["per_million_requests"]
        + P["key"]["each"]
        + traces(traffic)
    )
    return {
        "functions": functions(traffic, "complete"),
        "cache": P["complete"]["cache_nodes"] * HOURS * P["cache_node"]["per_hour"],
        "history": history(traffic),
        "logs and metrics": log(traffic) + metrics(P["function"]["metrics"]),
        "alarms and dashboard": P["complete"]["alarms"] * P["alarms"]["per_metric"] + P["dashboard"]["each"],
        "API, queue, stream, key, traces": rest,
    }


def cloudwatch(traffic: Traffic) -> dict[str, float]:
    """The cost of one metric per series, a thousand in a request each minute, with an anomaly alarm on each."""
    requests = math.ceil(traffic.series / 1000) * MINUTES
    return {
        "metrics": metrics(traffic.series),
        "requests": requests / 1000 * P["metrics"]["per_thousand_requests"],
        "alarms": traffic.series * P["alarms"]["metrics_of_anomaly"] * P["alarms"]["per_metric"],
    }


def table() -> str:
    columns = [Traffic(n) for n in SAMPLES_AN_HOUR]
    titles = [f"{n:,} samples an hour ({t.series:,} series)" for n, t in zip(SAMPLES_AN_HOUR, columns)]
    lines = [f"| dollars per month | {' | '.join(titles)} |", "|---|" + "---:|" * len(columns)]
    for name, estimate in [("minimal", minimal), ("complete", complete), ("CloudWatch anomaly detection", cloudwatch)]:
        months = [estimate(column) for column in columns]
        lines.append(f"| **{name}** | " + " | ".join(f"**{sum(month.values()):,.2f}**" for month in months) + " |")
        lines += [f"| {part} | " + " | ".join(f"{month[part]:,.2f}" for month in months) + " |" for part in months[0]]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(splice(HERE.parent / "README.md", {"cost": table()}, sys.argv[1:], "make cost"))
