"""Part of `load.py`: formats of other products beside JSON, and VictoriaMetrics beside them."""

import pathlib
import shutil
import sys

from figures import log
from lab import INGEST_PORT, OTHER_PORT, Process


def senders(lab, results):
    """Remote write and OTLP, each in turns with the same samples as JSON; VictoriaMetrics stores the same bytes unjudged."""
    load = lambda process, n, *options, **how: lab.load(process.url, "--clients", 4, "--batch", n, "--series", n, *options, **how)
    for title, name, n in (("remote write", "remote-write", 500), ("remote write", "remote-write", 2_000), ("OTLP", "otlp", 500)):
        lab.flush()
        ingest = lab.start("ingest", INGEST_PORT)
        load(ingest, n, seconds=2)
        records, as_json = [], []
        for _ in range(lab.rounds):
            records.append(load(ingest, n, "--format", name))
            as_json.append(load(ingest, n))
        results.sends(f"{title}, {n:,} series", records, as_json)
        errors = sum(sum(total(record)["errors"].values()) for record in records + as_json)
        if errors:
            sys.exit(f"load: {errors} requests were refused")
        lab.stop(ingest)
    if not shutil.which("victoria-metrics"):
        return log("  `victoria-metrics` is not installed: not measured beside it")
    for n in (500, 2_000):
        data = pathlib.Path(lab.folder) / f"victoria-metrics-{n}"
        command = ["victoria-metrics", "-storageDataPath", data, "-httpListenAddr", f"127.0.0.1:{OTHER_PORT}", "-loggerLevel", "ERROR"]
        other = lab.add(Process(*command, port=OTHER_PORT)).wait("/health")
        records = [load(other, n, "--format", "remote-write") for _ in range(lab.rounds)]
        results.sends(f"VictoriaMetrics, without judging: remote write, {n:,} series", records)
        lab.stop(other)
