"""Parts of `load.py`: series that a function does not know, and replicas that share series."""

from figures import costs, fill, rate, total
from lab import BARE_PORT, BUILT, GROWTH_PORT, INGEST_PORT, Process


def unknown(lab, results):
    """Samples of series that the function does not know, beside those of one that it knows."""
    lab.flush()
    ingest = lab.start("ingest", INGEST_PORT)
    bare = lab.add(Process(BUILT / "examples/no_store", port=BARE_PORT)).wait("/")
    ping = 1e6 / lab.redis_benchmark("PING")
    one = lab.load(ingest.url, "--clients", 8, "--batch", 100, "--series", 1, "--no-time")
    n_series = 100_000
    fill(lab, ingest, n_series, 1)
    lab.stop(ingest)
    # The cache is too small for a judge of each series.
    ingest = lab.start("ingest", INGEST_PORT, TIDEMARK_JUDGE_CACHE_BYTES_MAX="1048576")
    all_unknown = costs(lab.load(ingest.url, "--clients", 8, "--batch", 100, "--series", n_series, "--no-time"))
    redis_us, function_us = all_unknown["redis_us_per_sample"], all_unknown["function_us_per_sample"]
    share = all_unknown["samples_per_s"] / total(one)["samples_per_s"]
    case = "batches of 100, 100,000 series, none cached"
    results.row(f"{case}: Redis time per sample", f"{redis_us:.1f} us, {redis_us / ping:.1f} calls of `PING`", "≤ 26 us, goal 18", redis_us <= 26)
    results.row("the same: processor time of the function per sample", f"{function_us:.1f} us", "≤ 15 us, goal 10", function_us <= 15)
    results.row("the same: samples", f"{rate(all_unknown['samples_per_s'])}, {share:.3f} of one cached series", "≥ 0.07, goal 0.1", share >= 0.07)
    lab.stop(ingest)
    lab.flush()
    ingest = lab.start("ingest", INGEST_PORT)
    fill(lab, ingest, 500, 1)
    known, requests = lab.load(ingest.url, "--clients", 4, "--batch", 500, "--series", 500), lab.load(bare.url, "single")
    share = total(known)["samples_per_s"] / total(requests)["ok_per_s"]
    results.row("batches of 500, cached series: samples, beside requests to a route without Redis", f"{share:.2f}", "≥ 0.85, goal 1.2", share >= 0.85)
    lab.stop(ingest)
    lab.stop(bare)


def replicas(lab, results):
    """Replicas that share all series: each request goes to one of them at random."""
    for title, n_series, bar in (("10,000 series in turn", 10_000, 0.9), ("1,000 series, several writers of each at the same moment", 1_000, 0.6)):
        rates = {}
        for n in (1, 2, 4):
            lab.flush()
            processes = [lab.start("ingest", GROWTH_PORT + i) for i in range(n)]
            fill(lab, processes[0], n_series, 1)
            urls = [part for process in processes[1:] for part in ("--url", process.url)]
            record = lab.load(processes[0].url, *urls, "--clients", 8, "--batch", 100, "--series", n_series, "--no-time")
            rates[n] = total(record)["samples_per_s"]
            errors = sum(total(record)["errors"].values())
            ratio = rates[n] / rates[1]
            target = ("", None) if n == 1 else (f"≥ {bar}", ratio >= bar and errors == 0)
            results.row(f"{title}, {n} replica{'s' * (n > 1)}", f"{rate(rates[n])}, {ratio:.2f} of one, {errors} errors", *target)
            for process in processes:
                lab.stop(process)
    lab.flush()
    first = lab.start("ingest", GROWTH_PORT)
    fill(lab, first, 1_000, 1)
    pace = "--rate", 160, "--batch", 50, "--series", 1_000
    before = total(lab.load(first.url, *pace))["latency_ms"]["p50"]
    second = lab.start("ingest", GROWTH_PORT + 1)
    after = total(lab.load(first.url, "--url", second.url, *pace))["latency_ms"]["p50"]
    ratio = after / before
    results.row("160 requests a second of 50 samples, when a second replica joins: p50", f"{before:.1f} ms, {after:.1f} ms, {ratio:.2f}", "≤ 2, goal 1", ratio <= 2)
    lab.stop(first)
    lab.stop(second)
