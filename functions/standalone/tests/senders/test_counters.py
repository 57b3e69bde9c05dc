"""Counters of many replicas through three processes of `ingest`, in shuffled order and with replays."""

import json
import random
import subprocess
import threading
import urllib.request

import pytest

from conftest import BUILT, free_port, is_open, until

PROCESSES = 3
REPLICAS = 50
SAMPLES = 60
BEGIN_S = 1_732_060_800
STEP_S = 15
BATCH = 100


@pytest.fixture
def ingests(server):
    """Addresses of processes of `ingest` with the store of the server."""
    ports = [free_port() for _ in range(PROCESSES)]
    common = {"LISTEN_HOST": "127.0.0.1", "REDIS_URL": f"redis://127.0.0.1:{server.redis_port}", "RUST_LOG": "error"}
    processes = [subprocess.Popen([BUILT.with_name("ingest")], env={"PORT": str(port), **common}) for port in ports]
    for port in ports:
        until("ingest", lambda port=port: is_open(port))
    yield [f"http://127.0.0.1:{port}/ingest?verdicts=none" for port in ports]
    for process in processes:
        process.terminate()
        assert process.wait(30) == 0


def totals(dice):
    """Time in seconds and total of each sample of a replica, which restarts now and then."""
    total, samples = dice.randrange(10_000), []
    for i in range(SAMPLES):
        total = dice.randrange(100) if dice.random() < 0.05 else total + dice.randrange(3_000)
        samples.append((BEGIN_S + i * STEP_S, total))
    return samples


def rates(samples):
    """The rate of each sample but the first: of the increase, or of the total since a restart."""
    pairs = zip(samples, samples[1:])
    return [(total if total < before else total - before) / (at - before_at) for (before_at, before), (at, total) in pairs]


def send(url, samples, answers):
    request = urllib.request.Request(url, json.dumps(samples).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        answers.append(json.load(answer))


@pytest.mark.parametrize("seed", [1, 2])
def test_every_rate_is_that_of_the_sorted_series(server, ingests, seed):
    dice = random.Random(seed)
    replicas = {f"pod-{i}": totals(dice) for i in range(REPLICAS)}
    sample = {"source": "shop", "metric": "requests_total", "kind": "counter"}
    every = [
        {**sample, "timestamp": at, "value": total, "labels": {"instance": name}}
        for name, samples in replicas.items()
        for at, total in samples
    ]
    # A fifth is sent twice.
    sent = every + dice.sample(every, len(every) // 5)
    dice.shuffle(sent)
    parts = [sent[i : i + BATCH] for i in range(0, len(sent), BATCH)]
    answers = []

    def run(url, parts):
        for part in parts:
            send(url, part, answers)

    threads = [threading.Thread(target=run, args=(url, parts[i::PROCESSES])) for i, url in enumerate(ingests)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == len(parts), "every request is answered with a success"
    assert sum(answer["accepted"] for answer in answers) == len(every)
    assert sum(answer["duplicates"] for answer in answers) == len(sent) - len(every)
    assert not [answer for answer in answers if answer["rejected"] or answer["too_old"]]
    for name, samples in replicas.items():
        stored = server.samples("requests_total", instance=name)
        assert [(sample["timestamp"] / 1_000, sample["value"]) for sample in stored] == samples
        assert "rate" not in stored[0]
        assert [sample["rate"] for sample in stored[1:]] == pytest.approx(rates(samples), rel=1e-12), name
