"""Starts Redis, the functions and the load generator for the measurements in `load.py`."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILT = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
SCRIPT = ROOT / "functions/shared/server/examples/one_script.lua"
REDIS_PORT, INGEST_PORT, INGEST_ONE_PORT, ANALYZE_PORT, STANDALONE_PORT, SCRIPT_PORT, SCRIPT_ONE_PORT, BARE_PORT, OTHER_PORT, GROWTH_PORT = range(28379, 28389)
# Limits of tenants are enabled but out of reach, so that their cost is measured and no request is refused.
LIMITS = {"TIDEMARK_TENANT_SAMPLES_PER_S_MAX": "1000000000", "TIDEMARK_TENANT_SERIES_MAX": "1000000000"}


class Process:
    """A server process of the deployment."""

    def __init__(self, *command, port, **env):
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.child = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, "RUST_LOG": "warn", "PORT": str(port), **LIMITS, **env},
            stdout=subprocess.DEVNULL,
        )

    def wait(self, path="/readyz"):
        """Waits until the process answers with any status, and returns itself."""
        for _ in range(600):
            try:
                urllib.request.urlopen(self.url + path, timeout=5).read()
                return self
            except urllib.error.HTTPError:
                return self
            except OSError:
                if self.child.poll() is not None:
                    sys.exit(f"load: the process for port {self.port} ended during start-up")
                time.sleep(0.05)
        sys.exit(f"load: no answer on port {self.port}")

    def resident(self):
        """Returns the resident memory in bytes."""
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def end(self):
        self.child.send_signal(signal.SIGTERM)
        self.child.wait()


class Lab:
    """Redis, and the processes that a measurement starts over it."""

    def __init__(self, folder, seconds, rounds):
        self.folder, self.seconds, self.rounds = folder, seconds, rounds
        self.redis_url = f"redis://127.0.0.1:{REDIS_PORT}"
        self.processes = []
        redis = ["redis-server", "--port", REDIS_PORT, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.redis = self.add(Process(*redis, "--dir", folder, "--loglevel", "warning", port=REDIS_PORT))
        while subprocess.run(self.cli("PING"), capture_output=True).returncode:
            time.sleep(0.05)

    def add(self, process):
        self.processes.append(process)
        return process

    def start(self, name, port, redis=True, **env):
        """Starts a binary, and waits until it answers."""
        if redis:
            env["REDIS_URL"] = self.redis_url
        return self.add(Process(BUILT / name, port=port, **env)).wait()

    def stop(self, process):
        process.end()
        self.processes.remove(process)

    def end(self):
        for process in reversed(self.processes):
            process.end()

    def cli(self, *arguments):
        return ["redis-cli", "-p", str(REDIS_PORT), *arguments]

    def ask(self, *arguments):
        return subprocess.run(self.cli(*arguments), check=True, capture_output=True, text=True).stdout

    def flush(self):
        self.ask("FLUSHALL")

    def used_memory(self):
        """Returns the bytes that Redis uses."""
        return int(re.search(r"used_memory:(\d+)", self.ask("INFO", "memory"))[1])

    def load(self, url, *arguments, seconds=None, timed=True):
        """Runs `evaluator load` and returns its record; the scenario sets the duration unless `timed`."""
        out = pathlib.Path(self.folder) / f"load-{url.rpartition(':')[2]}.json"
        command = [BUILT / "evaluator", "load", "--url", url, "--json", out]
        if timed:
            command += ["--seconds", seconds or self.seconds]
        if url != f"http://127.0.0.1:{BARE_PORT}":
            command += ["--redis", self.redis_url]
        subprocess.run([str(part) for part in [*command, *arguments]], check=True, stdout=subprocess.DEVNULL)
        return json.loads(out.read_text())

    def redis_benchmark(self, *call):
        """Returns calls per second with `redis-benchmark`, by default of the reference script."""
        sha = self.ask("SCRIPT", "LOAD", SCRIPT.read_text()).strip()
        calls = 20_000 * self.seconds
        command = ["redis-benchmark", "-p", str(REDIS_PORT), "-c", "16", "-n", str(int(calls)), "-q"]
        command += call or ["EVALSHA", sha, "1", "window", "812.5"]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return float(re.findall(r"([\d.]+) requests per second", out)[-1])
