"""Starts `standalone`, and a headless Chromium that opens its page."""

import json
import os
import pathlib
import re
import subprocess
import time
import urllib.request

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ROOT = pathlib.Path(__file__).resolve().parents[4]
BUILT = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "standalone"
WAIT_S = 30


class Deployment:
    """A process of `standalone` on a free port."""

    def __init__(self, **env):
        self.process = subprocess.Popen(
            [BUILT], env={"PORT": "0", "RUST_LOG": "error,server::run=info", **env}, stderr=subprocess.PIPE, text=True
        )
        for line in self.process.stderr:
            if match := re.search(r'"address":"([^"]+)"', line):
                self.url = f"http://{match[1]}"
                return
        raise AssertionError("standalone does not start")

    def send(self, samples, key=None):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        body = json.dumps(samples).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/ingest", body, headers)) as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.process.stderr.close()


class Browser:
    """A browser that notes what the page logs and asks for."""

    def __init__(self, width=1280, height=900, dark=False):
        options = webdriver.ChromeOptions()
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--window-size={width},{height}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, address):
        self.driver.get("about:blank")
        self.driver.get(address)

    def until(self, what, ask):
        """Asks until the result is true, and returns it."""
        begin = time.monotonic()
        while time.monotonic() - begin < WAIT_S:
            if result := ask():
                return result
            time.sleep(0.1)
        raise AssertionError(f"{what}; the page shows: {self.text()}")

    def text(self):
        return self.driver.execute_script("return document.body.innerText")

    def until_text(self, *texts):
        self.until(f"waited for {texts}", lambda: all(text in self.text() for text in texts))

    def run(self, script):
        return self.driver.execute_script(script)

    def messages(self):
        """Returns the messages of the console, without failed requests, which tests provoke."""
        return [entry["message"] for entry in self.driver.get_log("browser") if "status of 4" not in entry["message"]]

    def addresses(self):
        """Returns the addresses that the page has asked for."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        requests = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [address for address in requests if not address.startswith(("data:", "about:", "chrome:"))]


@pytest.fixture
def deploy():
    started = []

    def start(**env):
        started.append(Deployment(**env))
        return started[-1]

    yield start
    for deployment in started:
        deployment.stop()


@pytest.fixture
def browse():
    started = []

    def start(**options):
        started.append(Browser(**options))
        return started[-1]

    yield start
    for browser in started:
        browser.driver.quit()
