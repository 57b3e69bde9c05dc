#!/usr/bin/env python3
"""Measures speed and size against their targets, each beside a reference in the same run: `make load`.

load.py [--seconds 10] [--rounds 3] [--only NAME ...] [--splice FILE] [--constants FILE]

Uses release builds and a separate Redis on loopback; the load generator runs on the same processors. Ratios within one
run hold on any machine, absolute rates only on this one. Prints a table of measured values and targets, and writes the
constants for `evaluator capacity`. With --only it prints the chosen parts and writes nothing, except the tables of `senders`
and `growth`.
"""

import argparse
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

from figures import GROWTH_TITLES, MB, SENDERS_TITLES, TARGET_TITLES, Results, costs, fill, log, machine, median, rate, splice, table, total
from lab import ANALYZE_PORT, BARE_PORT, BUILT, GROWTH_PORT, INGEST_ONE_PORT, INGEST_PORT, ROOT, SCRIPT_ONE_PORT, SCRIPT_PORT, STANDALONE_PORT, Lab, Process
from replicas import replicas, unknown
from senders import senders


def single(lab, results):
    """One sample in a request, one series, 16 connections, in turns with the reference routes.

    The reference runs with a worker thread for each processor and with one; the faster of both counts.
    """
    ingest, ingest_one = lab.start("ingest", INGEST_PORT), lab.start("ingest", INGEST_ONE_PORT, TOKIO_WORKER_THREADS="1")
    reference = lambda port, **env: lab.add(Process(BUILT / "examples/one_script", port=port, REDIS_URL=lab.redis_url, **env)).wait("/")
    scripts = [reference(SCRIPT_PORT), reference(SCRIPT_ONE_PORT, TOKIO_WORKER_THREADS="1")]
    bare = lab.add(Process(BUILT / "examples/no_store", port=BARE_PORT)).wait("/")
    ours, ours_one, references, references_one, bares, ceilings = [], [], [], [], [], []
    for _ in range(lab.rounds):
        ours.append(lab.load(ingest.url, "single"))
        ours_one.append(lab.load(ingest_one.url, "single"))
        references.append(lab.load(scripts[0].url, "single"))
        references_one.append(lab.load(scripts[1].url, "single"))
        bares.append(lab.load(bare.url, "single"))
        ceilings.append(lab.redis_benchmark())
    rates = lambda records: [total(record)["ok_per_s"] for record in records]
    per_s = lambda records: median(rates(records))
    fastest = [max(pair) for pair in zip(rates(references), rates(references_one))]
    reference, ceiling = median(fastest), median(ceilings)
    results.row("route without Redis, one sample per request", rate(per_s(bares)))
    results.row("`redis-benchmark`, the script of the reference", rate(ceiling))
    share = reference / ceiling
    results.row("reference: a route with one script call", f"{rate(reference)}, {share:.2f} of `redis-benchmark`", "≥ 0.8, or invalid", share >= 0.8)
    beside = lambda ours, references: median([a / b for a, b in zip(rates(ours), references)])
    ratio = beside(ours, fastest)
    results.row("`ingest`, one sample per request, one series, 16 connections", f"{rate(per_s(ours))}, {ratio:.2f} of the reference", "≥ 1.5", ratio >= 1.5)
    for title, records, equal in (("a worker thread for each processor", ours, references), ("one worker thread (`TOKIO_WORKER_THREADS=1`)", ours_one, references_one)):
        ratio = beside(records, rates(equal))
        results.row(f"the same beside the reference, both with {title}", f"{rate(per_s(records))}, {ratio:.2f}", "≥ 1.15, goal 1.3", ratio >= 1.15)
    errors = sum(sum(total(record)["errors"].values()) for record in ours)
    results.row("refused requests", str(errors), "0", errors == 0)
    p50, p99 = (median([total(record)["latency_ms"][name] for record in ours]) for name in ("p50", "p99"))
    results.row("p99 and p50 latency, and their ratio", f"{p99:.2f} ms, {p50:.2f} ms, {p99 / p50:.1f}", "< 10", p99 < 10 * p50)
    results.constants["single_hot"] = costs(ours[-1])
    spread = lab.load(ingest.url, "--clients", 16, "--series", 1_000)
    results.constants["single"] = costs(spread)
    results.row("the same with 1,000 series", rate(total(spread)["ok_per_s"]))
    for process in (ingest_one, *scripts, bare):
        lab.stop(process)
    crowds(lab, results, ingest, per_s(ours))
    lab.stop(ingest)


def crowds(lab, results, ingest, most):
    """A storm and a wave of clients: no errors up to the rate of `ingest` above, beyond it only 503."""
    for name, seconds, n_requests in (("storm", 2 * lab.seconds, 750), ("wave", 2 * lab.seconds, 1_250)):
        record = lab.load(ingest.url, name, seconds=seconds)
        errors = total(record)["errors"]
        only_503 = set(errors) <= {"503"}
        offered = total(record)["due"] / total(record)["seconds"]
        met = not errors if offered <= most else only_503
        counts = ", ".join(f"{n} {fault}" for fault, n in errors.items()) or "none"
        results.row(f"{name}: errors at {rate(offered)} offered", counts, "none" if offered <= most else "only 503", met)
    beyond = lab.load(ingest.url, "--clients", 2_000, "--batch", 10, "--series", 1_000, "--connections", 2_000)
    errors = total(beyond)["errors"]
    counts = ", ".join(f"{n} {fault}" for fault, n in errors.items()) or "none"
    results.row(f"2,000 clients without a pause, {rate(total(beyond)['ok_per_s'])} answered: errors", counts, "only 503", set(errors) <= {"503"})


def batches(lab, results):
    """Batches of 500 samples, of new series and of cached series."""
    lab.flush()
    ingest = lab.start("ingest", INGEST_PORT)
    cold = lab.load(ingest.url, "--clients", 4, "--batch", 500, "--series", 10_000_000)
    share = total(cold)["cost"]["redis_script_cores"]
    results.row("batches of 500, new series", rate(total(cold)["samples_per_s"]), "goal 40,000/s", None)
    results.row("share of the time in its scripts, their upper bound", f"{share:.2f}", "≥ 0.6", share >= 0.6)
    lab.stop(ingest)
    lab.flush()
    ingest = lab.start("ingest", INGEST_PORT)
    lab.load(ingest.url, "--clients", 1, "--batch", 500, "--series", 500, seconds=2)
    warm = lab.load(ingest.url, "--clients", 4, "--batch", 500, "--series", 500)
    results.row("batches of 500, cached series", rate(total(warm)["samples_per_s"]), "goal 100,000/s", None)
    hot = lab.load(ingest.url, "hot")
    value = total(hot)["samples_per_s"]
    results.row("one series, 64 writers of ten samples", rate(value), "≥ 50,000/s", value >= 50_000)
    results.constants.update(cold=costs(cold), warm=costs(warm), hot=costs(hot))
    lab.stop(ingest)


def summary(lab, results):
    """`GET /analyze` at 100,000 series."""
    lab.flush()
    ingest, analyze = lab.start("ingest", INGEST_PORT), lab.start("analyze", ANALYZE_PORT)
    fill(lab, ingest, 100_000, 1)
    record = lab.load(analyze.url, "--rate", 20, "--get", "/analyze")
    p99 = total(record)["latency_ms"]["p99"]
    results.row("`GET /analyze` at 100,000 series, 20 a second: p99", f"{p99:.1f} ms", "< 50 ms", p99 < 50)
    lab.stop(ingest)
    lab.stop(analyze)


# 1,000 requests a second for any number of clients, which arrive one after the other. All at once they would exceed the
# 4,096 concurrent requests of a process.
CROWD = """analysis = "Clients with a connection each, and few requests on it."
series = 1_000
[[stage]]
seconds = {arriving_s}
clients = [0, {n}]
every_ms = {n}
[[stage]]
seconds = {staying_s}
clients = {n}
every_ms = {n}
"""


def memory(lab, results):
    """Memory for each connection, and for each series."""
    for n, bar in ((1_000, 50), (10_000, 200)):
        lab.flush()
        ingest = lab.start("ingest", INGEST_PORT)
        path = pathlib.Path(lab.folder) / "crowd.toml"
        arriving_s = n / 1_000
        path.write_text(CROWD.format(n=n, arriving_s=arriving_s, staying_s=max(lab.seconds, 2 * arriving_s)))
        record = lab.load(ingest.url, path, timed=False)
        peak = max(tick["cost"]["server_bytes"] or 0 for tick in record["ticks"]) / MB
        errors = sum(total(record)["errors"].values())
        results.row(f"`ingest` with {n:,} connections: memory", f"{peak:.0f} MB, {errors} errors", f"< {bar} MB", peak < bar and errors == 0)
        results.constants[f"ingest_mb_{n}_connections"] = round(peak, 1)
        lab.stop(ingest)
    n_series = 2_000
    lab.flush()
    ingest = lab.start("ingest", INGEST_PORT)
    before = lab.used_memory()
    fill(lab, ingest, n_series, 140)
    each = (lab.used_memory() - before) / n_series
    results.row("Redis memory per series with a full window, all keys and indexes", f"{each / 1024:.1f} KB", "≤ 8 KB, goal 6", each <= 8 * 1024)
    results.constants["redis_bytes_per_series"] = round(each)
    lab.stop(ingest)
    standalone = lab.start("standalone", STANDALONE_PORT, redis=False)
    fill(lab, standalone, 100, 140)
    before = standalone.resident()
    # The difference of 9,900 series excludes the memory that all series share.
    n_series = 10_000
    fill(lab, standalone, n_series, 140)
    each = (standalone.resident() - before) / (n_series - 100)
    results.row("`standalone` memory per series with a full window", f"{each / 1024:.1f} KB", "≤ 12 KB", each <= 12 * 1024)
    results.constants["standalone_bytes_per_series"] = round(each)
    lab.stop(standalone)


SCENARIO = """analysis = "Many samples, to compare the time of each with that among fewer."
seed = 1
n_series = {n_series}
[traffic]
days = 14.0
interval_s = 60
noises = ["poisson"]
kinds = ["spike", "outage", "level_shift"]
n_events = 20
strength = 1.0
clean_days = 2.0
"""


def judged(lab, results):
    """Samples per second that the evaluator judges on each processor, and whether the time grows linearly."""
    cores = os.cpu_count()
    took = {}
    for n_series in (50, 500):
        path = pathlib.Path(lab.folder) / f"many_{n_series}.toml"
        path.write_text(SCENARIO.format(n_series=n_series))
        out = pathlib.Path(lab.folder) / "run.json"
        command = [BUILT / "evaluator", "run", path, "--detector", "traffic", "--no-charts", "--json", out]
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.monotonic()
        subprocess.run([str(part) for part in command], check=True, stderr=subprocess.DEVNULL)
        wall = time.monotonic() - start
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy = now.ru_utime + now.ru_stime - usage.ru_utime - usage.ru_stime
        row = json.loads(out.read_text())["rows"][0]
        took[n_series] = (row["n_samples"], wall, busy / wall, 1_000 * row["micros_per_sample"])
    n, wall, busy, ns = took[500]
    each = 1e9 / ns
    results.row(f"evaluator, {n / 1e6:.1f} million samples: judged per second and processor", rate(each), "≥ 1,000,000/s", each >= 1_000_000)
    results.row("busy processors, including the generation of the samples", f"{busy:.2f} of {cores}", f"≥ {0.8 * cores:.1f}", busy >= 0.8 * cores)
    ratio = (wall / n) / (took[50][1] / took[50][0])
    results.row("time per sample with ten million samples, relative to one million", f"{ratio:.2f}", "≤ 1.2", ratio <= 1.2)
    results.constants["detector_us_per_sample"] = round(ns / 1_000, 3)


def growth(lab, results):
    """Growing numbers of series, samples in a batch, writers and samples in a window."""

    def measured(case, *arguments, n_series, n_samples=1, **env):
        lab.flush()
        ingest = lab.start("ingest", GROWTH_PORT, **env)
        fill(lab, ingest, n_series, n_samples)
        results.grows(case, lab.load(ingest.url, "--series", n_series, "--no-time", *arguments))
        lab.stop(ingest)

    for n in (1, 100, 1_000, 10_000, 100_000):
        measured(f"{n:,} series, batches of 100, 8 writers", "--clients", 8, "--batch", 100, n_series=n)
    for n in (1, 10, 100, 1_000, 5_000):
        measured(f"batches of {n:,}, 5,000 series, 8 writers", "--clients", 8, "--batch", n, n_series=5_000)
    for n in (1, 8, 64, 512):
        measured(f"{n:,} writers, batches of 10, 1,000 series", "--clients", n, "--batch", 10, n_series=1_000)
    for n in (10, 100, 1_000):
        detector = {"TIDEMARK_DETECTOR": f"zscore:window={n}"}
        measured(f"window of {n:,}, batches of 100, 100 series, 8 writers", "--clients", 8, "--batch", 100, n_series=100, n_samples=n, **detector)


TARGETS = {"single": single, "batches": batches, "unknown": unknown, "replicas": replicas, "summary": summary, "memory": memory, "judged": judged}
PARTS = {**TARGETS, "senders": senders, "growth": growth}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="turns of `ingest` and its references")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--splice", type=pathlib.Path, help="document whose tables are replaced")
    parser.add_argument("--constants", type=pathlib.Path, help="file of constants for `evaluator capacity`")
    args = parser.parse_args()
    for command in ("redis-server", "redis-cli", "redis-benchmark"):
        if not shutil.which(command):
            sys.exit(f"load: `{command}` is missing (Debian: redis-server, redis-tools)")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    results = Results()
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(folder, args.seconds, args.rounds)
        try:
            for name in args.only:
                log(f"{name}: {PARTS[name].__doc__.splitlines()[0]}")
                PARTS[name](lab, results)
        finally:
            lab.end()
    commit = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    date = time.strftime("%Y-%m-%d", time.gmtime())
    command = f"LOAD='--seconds {args.seconds:g} --rounds {args.rounds}' make load"
    # A run with --only must not replace the full table and the constants.
    is_whole = TARGETS.keys() <= set(args.only)
    tables = (
        ("bars", results.rows, TARGET_TITLES, is_whole),
        ("senders", results.senders, SENDERS_TITLES, True),
        ("growth", results.growth, GROWTH_TITLES, True),
    )
    for name, rows, titles, is_written in tables:
        if rows:
            text = f"{table(titles, rows)}\n\n{machine()}; commit {commit or 'unknown'}, {date}."
            print(text)
            if args.splice and is_written:
                splice(args.splice, name, f"```sh\n{command}\n```\n\n{text}")
    if args.constants and is_whole:
        constants = {"date": date, "commit": commit, "machine": machine(), **results.constants}
        args.constants.write_text(json.dumps(constants, indent=2) + "\n")
    if any(row[-1] == "**no**" for row in results.rows + results.senders):
        sys.exit(1)


if __name__ == "__main__":
    main()
