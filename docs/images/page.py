#!/usr/bin/env python3
"""Makes page-light.png and page-dark.png: the page of `standalone` with a series in an outage.

Needs a debug build, and the tools of `make setup` on Debian: .tools/ui/bin/python docs/images/page.py
"""

import math
import pathlib
import random
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "functions/standalone/tests/ui"))

from conftest import Browser, Deployment  # noqa: E402

MINUTE, N = 60_000, 1_600
SERIES = "#series?source=checkout&metric=rps&label=region%3Deu"


def samples(source, metric, level, noise):
    """A day and a half of a daily rhythm; `checkout` has an outage of twelve minutes, and a spike that has just begun."""
    dice = random.Random(source + metric)
    now = int(time.time() * 1000) // MINUTE * MINUTE
    for i in range(N):
        at = now - (N - 1 - i) * MINUTE
        value = level * (1 + 0.4 * math.sin(at / MINUTE / 1440 * 2 * math.pi)) + dice.gauss(0, noise)
        if (source, metric) == ("checkout", "rps"):
            value *= 0.08 if N - 60 <= i < N - 48 else 2.2 if i >= N - 3 else 1
        yield {"source": source, "metric": metric, "labels": {"region": "eu"}, "timestamp": at, "value": round(value, 1)}


deployment = Deployment()
for source in ("checkout", "search", "payments"):
    for metric, level, noise in (("rps", 420, 14), ("latency_ms", 38, 3)):
        deployment.send(list(samples(source, metric, level, noise)))
for name, dark in (("light", False), ("dark", True)):
    browser = Browser(width=1100, height=1180, dark=dark)
    browser.open(f"{deployment.url}/ui{SERIES}")
    browser.until_text("Newest sample", "Episodes", "was usual")
    time.sleep(1)
    browser.driver.save_screenshot(str(ROOT / f"docs/images/page-{name}.png"))
    browser.driver.quit()
deployment.stop()
