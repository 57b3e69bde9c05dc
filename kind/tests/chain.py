"""Runs the whole chain on loopback: the functions over Redis, the exporter, Prometheus, Alertmanager and a receiver.

The processes run as in the cluster: environment from the manifests, configuration from the deployed files, passwords
and keys from `secrets.sh`. Only addresses and paths differ, and intervals, so that the tests take seconds.
"""

import contextlib
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

import conftest
from conftest import KIND

# Shorter intervals: texts of the deployed files, and their replacements.
SHORTER = {
    "prometheus.yml": {
        "scrape_interval: 15s": "scrape_interval: 1s",
        "evaluation_interval: 15s": "evaluation_interval: 1s",
    },
    "alertmanager.yml": {"group_wait: 10s": "group_wait: 1s", "group_interval: 1m": "group_interval: 1s"},
}

# Longest wait for a process to start, on a busy machine.
START_S_MAX = 60


def wait_for(what, condition, seconds=START_S_MAX):
    """Calls `condition` until it returns a true value, and returns that value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {seconds} s")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def answers(url):
    with contextlib.suppress(OSError):
        return get(url) is not None
    return False


class Chain:
    """The processes of the chain; `stop` terminates them."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []
        try:
            self.secrets = secrets(folder)
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self):
        self.redis = self.start_redis()
        self.ingest = self.start_function("ingest", "Service", "ingest")
        self.analyze = self.start_function("analyze", "Service", "analyze")
        self.exporter = self.start_function("exporter", "Deployment", "analyze")
        self.receiver = self.start_receiver()
        self.knative = serve_text((KIND / "tests" / "knative.prom").read_text())
        self.alertmanager = self.start_alertmanager()
        self.prometheus = self.start_prometheus()

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def stop_redis(self):
        """Stops Redis while the other processes run."""
        redis = self.processes.pop(0)
        redis.terminate()
        redis.wait(10)

    def spawn(self, name, command, env=None):
        """Starts a process that writes to a log file, and returns the path of that file."""
        log = self.folder / f"{name}.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                [str(part) for part in command], env=env, stdout=out, stderr=subprocess.STDOUT, cwd=self.folder
            )
        self.processes.append(process)
        return log

    def start_redis(self):
        port, data = free_port(), self.folder / "data"
        data.mkdir()
        config = (KIND / "base" / "redis.conf").read_text()
        for old, new in (("/etc/redis/auth", str(self.secrets / "redis-auth")), ("dir /data", f"dir {data}")):
            assert old in config
            config = config.replace(old, new)
        (self.folder / "redis.conf").write_text(f"{config}\nport {port}\nbind 127.0.0.1\n")
        self.spawn("redis", ["redis-server", self.folder / "redis.conf"])
        self.wait_for_redis(port)
        return port

    def crash_redis(self):
        """Kills Redis and starts it again without its log from the last accepted samples on, as after a crash."""
        redis = self.processes.pop(0)
        redis.kill()
        redis.wait(10)
        [log] = (self.folder / "data" / "appendonlydir").glob("*.incr.aof")
        with log.open("r+b") as file:
            file.truncate(log.read_bytes().rindex(b"samples accepted"))
        self.spawn("redis", ["redis-server", self.folder / "redis.conf"])
        self.processes.insert(0, self.processes.pop())
        self.wait_for_redis(self.redis)

    def wait_for_redis(self, port):
        password = (self.secrets / "redis-auth" / "password").read_text()
        # The probe of the manifest, with the port of this Redis.
        probe = container("StatefulSet", "redis")["readinessProbe"]["exec"]["command"]
        command = [probe[0], "-p", str(port), *probe[1:]]

        def is_ready():
            env = {**os.environ, "REDISCLI_AUTH": password}
            return subprocess.run(command, env=env, capture_output=True).returncode == 0

        assert not subprocess.run(command, env={**os.environ, "REDISCLI_AUTH": "wrong"}, capture_output=True).returncode == 0
        wait_for("redis", is_ready)

    def start_function(self, name, kind, binary):
        found = container(kind, name)
        env = {"PATH": os.environ["PATH"], "PORT": "0"}
        for variable in found["env"]:
            env[variable["name"]] = self.localized(found, variable["value"])
        env["LISTEN_HOST"] = "127.0.0.1"
        log = self.spawn(name, [conftest.binary(binary), *found.get("args", [])], env)
        port = wait_for(name, lambda: re.search(r"127\.0\.0\.1:(\d+)", log.read_text())).group(1)
        # Kubernetes sends no request before the readiness probe succeeds.
        path = found["readinessProbe"]["httpGet"]["path"]
        wait_for(f"{name}{path}", lambda: answers(f"http://127.0.0.1:{port}{path}"))
        return f"127.0.0.1:{port}"

    def localized(self, found, value):
        """Replaces mount paths and the address of Redis in a value of a manifest."""
        secret_of = {volume["name"]: volume["secret"]["secretName"] for volume in found["volumes"] if "secret" in volume}
        for mount in found["volumeMounts"]:
            value = value.replace(mount["mountPath"], str(self.secrets / secret_of[mount["name"]]))
        return value.replace("redis:6379", f"127.0.0.1:{self.redis}")

    def start_receiver(self):
        log = self.spawn("receiver", [sys.executable, KIND / "monitoring" / "receiver.py", "0"])
        port = wait_for("receiver", lambda: re.search(r"port (\d+)", log.read_text())).group(1)
        return f"127.0.0.1:{port}"

    def start_alertmanager(self):
        config = deployed("alertmanager.yml")
        assert "alert-receiver:8080" in config
        path = self.folder / "alertmanager.yml"
        path.write_text(config.replace("alert-receiver:8080", self.receiver))
        address = f"127.0.0.1:{free_port()}"
        command = ["prometheus-alertmanager", f"--config.file={path}", f"--storage.path={self.folder}/alertmanager"]
        command += [f"--web.listen-address={address}", "--cluster.listen-address="]
        self.spawn("alertmanager", command)
        wait_for("alertmanager", lambda: answers(f"http://{address}/-/ready"))
        return address

    def start_prometheus(self):
        home = self.folder / "prometheus"
        (home / "rules").mkdir(parents=True)
        (home / "targets").mkdir()
        (home / "prometheus.yml").write_text(deployed("prometheus.yml"))
        for path in (KIND / "monitoring" / "rules").glob("*.yml"):
            (home / "rules" / path.name).write_text(path.read_text())
        address = f"127.0.0.1:{free_port()}"
        here = {
            "exporter": self.exporter,
            "knative": self.knative,
            "alertmanager": self.alertmanager,
            "prometheus": address,
        }
        wanted = {path.stem for path in (KIND / "monitoring" / "targets").glob("*.yml")}
        assert set(here) == wanted
        for name, target in here.items():
            (home / "targets" / f"{name}.yml").write_text(json.dumps([{"targets": [target]}]))
        command = ["prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data"]
        self.spawn("prometheus", [*command, f"--web.listen-address={address}"])
        wait_for("prometheus", lambda: answers(f"http://{address}/-/ready"))
        return address

    def query(self, expression):
        """Returns the current result of an expression in Prometheus."""
        query = urllib.parse.urlencode({"query": expression})
        answer = json.loads(get(f"http://{self.prometheus}/api/v1/query?{query}"))
        return answer["data"]["result"]

    def alerts(self):
        """Returns the alerts that the receiver printed, in order."""
        lines = (self.folder / "receiver.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def replay(self, csv):
        """Sends a series with the evaluator, like the Job in the cluster."""
        key = self.secrets / "sender-keys" / "write"
        command = [conftest.binary("evaluator"), "replay", "--csv", csv, "--url", f"http://{self.ingest}"]
        command += ["--api-key-file", key, "--source", "checkout", "--metric", "rps", "--batch", "10", "--json"]
        command = [str(part) for part in command]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def container(kind, name):
    """Returns the first container of a workload of the overlay `dev`, with the volumes of its pod."""
    for document in conftest.documents("dev"):
        if (document["kind"], document["metadata"]["name"]) == (kind, name) and "template" in document["spec"]:
            spec = document["spec"]["template"]["spec"]
            return {**spec["containers"][0], "volumes": spec.get("volumes", [])}
    raise AssertionError(f"there is no {kind} {name}")


def deployed(name):
    """Returns a file of `monitoring` with shorter intervals."""
    text = (KIND / "monitoring" / name).read_text()
    for old, new in SHORTER[name].items():
        assert old in text, f"{name} has no {old}"
        text = text.replace(old, new)
    return text


def serve_text(text):
    """Serves a text at every path of a new address until the tests end."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_port}"


def secrets(folder):
    """Runs `secrets.sh` with a stub of kubectl, and returns a folder with a subfolder for each Secret."""
    made, bin = folder / "secrets", folder / "bin"
    made.mkdir()
    bin.mkdir()
    stub(
        bin / "kubectl",
        f'''while [ "$1" != get ] && [ "$1" != create ] && [ "$1" != delete ]; do shift; done
case "$1" in
  get) [ -d "{made}/$3" ] ;;
  create) cp -r "${{5#--from-file=}}" "{made}/$4" ;;
  delete) rm -rf "{made}/$3" ;;
esac''',
    )
    env = {**os.environ, "PATH": f"{bin}:{os.environ['PATH']}"}
    subprocess.run([KIND / "secrets.sh"], check=True, env=env)
    return made


def stub(path, script):
    path.write_text(f"#!/usr/bin/env bash\nset -eu\n{script}\n")
    path.chmod(0o755)
