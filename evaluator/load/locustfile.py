"""The scenarios of this folder for Locust.

    SCENARIO=storm locust --headless --locustfile evaluator/load/locustfile.py --host http://127.0.0.1:8080

Locust's users wait for their answers, so a rate is as many users with a pace as give it, and a stalled server is asked
less: `evaluator load` counts from when a request was due. API_KEY_FILE=path sends a key.
"""

import itertools
import os
import random
import time

from locust import FastHttpUser, LoadTestShape, constant_pacing, task

# The scenario files of the same names: series, samples a request, seconds from one request of a user to its next
# (0: after the answer), then the users at the ends of stages: (seconds, users).
SCENARIOS = {
    "steady": (1_000, 1, 1.0, [(0, 500), (300, 500)]),
    "brisk": (1_000, 1, 0.5, [(0, 1_000), (60, 1_000)]),
    "storm": (1_000, 10, 1.0, [(0, 0), (10, 1_000), (20, 1_000)]),
    "wave": (1_000, 1, 0.2, [(0, 0), (120, 500)]),
    "soak": (10_000, 10, 1.0, [(0, 200), (14_400, 200)]),
    "single": (1, 1, 0, [(0, 16), (20, 16)]),
    "hot": (1, 10, 0, [(0, 64), (20, 64)]),
}
SERIES, BATCH, PACE_S, USERS = SCENARIOS[os.environ.get("SCENARIO", "steady")]
SECONDS = float(os.environ.get("SECONDS") or USERS[-1][0])
SCALE = SECONDS / USERS[-1][0]
KEY_FILE = os.environ.get("API_KEY_FILE")
HEADERS = {"authorization": f"Bearer {open(KEY_FILE).readline().strip()}"} if KEY_FILE else {}
number = itertools.count()


class Sender(FastHttpUser):
    """Sends samples to the series in turn."""

    wait_time = constant_pacing(PACE_S)

    @task
    def ingest(self):
        samples = [self.sample() for _ in range(BATCH)]
        with self.client.post("/ingest", json=samples, headers=HEADERS, catch_response=True) as response:
            if response.status_code != 200:
                response.failure(f"{response.status_code}")

    def sample(self):
        sample = {"source": "load", "metric": f"s{next(number) % SERIES:07}", "value": random.uniform(400, 500)}
        # One series that all write would get most samples late.
        return sample if SERIES == 1 else sample | {"timestamp": time.time_ns() // 1_000}


class Stages(LoadTestShape):
    """The users of the scenario at each time."""

    def tick(self):
        at = self.get_run_time() / SCALE
        for (from_s, n), (to_s, n_then) in itertools.pairwise(USERS):
            if at < to_s:
                wanted = n + (n_then - n) * (at - from_s) / (to_s - from_s)
                return max(1, round(wanted)), 1_000
        return None
