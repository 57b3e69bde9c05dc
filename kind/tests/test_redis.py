"""Restarts a real Redis with the configuration and the users that `kind` deploys.

Writes go through scripts in transactions, as the functions' do. Redis logs such writes as `MULTI`/`EXEC` and replays
them as the default user, whose rights it checks again at `EXEC`: a default user without rights loses them all.
"""

import os
import signal
import socket
import subprocess
import time

import pytest

from conftest import KIND
from test_scripts import world  # noqa: F401 - the fixture that runs `secrets.sh`

N_SAMPLES = 2_000
SCRIPT = "redis.call('ZADD', KEYS[1], ARGV[1], ARGV[1]) redis.call('HINCRBY', KEYS[2], 'samples', 1) return 1"
ADMIN_COMMANDS = [["CONFIG", "GET", "dir"], ["FLUSHALL"], ["SET", "other", "1"], ["ACL", "LIST"]]


class Redis:
    """A server with the deployed `redis.conf` and `users.acl`; only folder and port are this test's."""

    def __init__(self, folder, secret):
        self.folder, self.passwords = folder, {"tidemark": secret["password"], "viewer": secret["viewer"]}
        (folder / "data").mkdir()
        (folder / "users.acl").write_text(secret["users.acl"])
        text = (KIND / "base" / "redis.conf").read_text()
        text = text.replace("/etc/redis/auth/users.acl", str(folder / "users.acl")).replace("dir /data", f"dir {folder}/data")
        (folder / "redis.conf").write_text(text)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()

    def start(self):
        command = ["redis-server", self.folder / "redis.conf", "--port", str(self.port), "--bind", "127.0.0.1"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        for _ in range(200):
            if self.cli("PING") == "PONG":
                return
            time.sleep(0.05)
        raise AssertionError("Redis does not answer")

    def stop(self, how):
        self.process.send_signal(how)
        self.process.wait(30)

    def cli(self, *command, user="tidemark", lines=None):
        login = ["--user", user, "--no-auth-warning"] if user else []
        done = subprocess.run(
            ["redis-cli", "-h", "127.0.0.1", "-p", str(self.port), *login, *command],
            capture_output=True, text=True, input=lines, env={**os.environ, "REDISCLI_AUTH": self.passwords.get(user, "")},
        )
        return done.stdout.strip()

    def write(self, n):
        """Writes samples by a script and returns how many were acknowledged."""
        calls = "".join(f'EVAL "{SCRIPT}" 2 tm:{{1}}:window tm:{{1}}:totals {i}\n' for i in range(n))
        return self.cli(lines=calls).splitlines().count("1")


@pytest.fixture
def redis(world, tmp_path):  # noqa: F811
    assert world.run("secrets.sh").returncode == 0
    folder = tmp_path / "redis"
    folder.mkdir()
    server = Redis(folder, world.secret("redis-auth"))
    yield server
    server.process.kill()
    server.process.wait()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_acknowledged_samples_survive_a_restart_of_redis(redis, how):
    assert redis.write(N_SAMPLES) == N_SAMPLES
    if how == signal.SIGKILL:
        time.sleep(2)  # `appendfsync everysec`: a crash may lose the last second.
    redis.stop(how)
    redis.start()
    assert redis.cli("ZCARD", "tm:{1}:window") == str(N_SAMPLES)
    assert redis.cli("HGET", "tm:{1}:totals", "samples") == str(N_SAMPLES)


def write_under_load(redis, stop):
    """Writes samples one after the other until Redis ends; returns the time of each acknowledgment."""
    acknowledged = {}
    with socket.create_connection(("127.0.0.1", redis.port)) as connection:
        lines = connection.makefile("rwb")

        def call(*words):
            lines.write(b"*%d\r\n" % len(words))
            for word in (str(word).encode() for word in words):
                lines.write(b"$%d\r\n%s\r\n" % (len(word), word))
            lines.flush()
            return lines.readline()

        assert call("AUTH", "tidemark", redis.passwords["tidemark"]) == b"+OK\r\n"
        i = 0
        while True:
            try:
                if call("EVAL", SCRIPT, 2, "tm:{1}:window", "tm:{1}:totals", i) != b":1\r\n":
                    return acknowledged
            except OSError:
                return acknowledged
            acknowledged[str(i)] = time.monotonic()
            i += 1
            if i == N_SAMPLES:
                stop()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_under_load_loses_at_most_the_last_seconds_and_only_by_sigkill(redis, how):
    stopped = []

    def stop():
        stopped.append(time.monotonic())
        redis.process.send_signal(how)

    acknowledged = write_under_load(redis, stop)
    redis.process.wait(30)
    redis.start()
    stored = set(redis.cli("ZRANGE", "tm:{1}:window", "0", "-1").splitlines())
    lost = [at for sample, at in acknowledged.items() if sample not in stored]
    assert len(acknowledged) >= N_SAMPLES
    if how == signal.SIGTERM:
        assert lost == []
    # Redis delays a write to the file by at most two seconds while a sync runs.
    assert all(at > stopped[0] - 2 for at in lost)
    assert redis.cli("HGET", "tm:{1}:totals", "samples") == str(len(stored))


def test_redis_refuses_a_connection_without_a_login(redis):
    assert "NOAUTH" in redis.cli("PING", user=None)
    assert "NOAUTH" in redis.cli("GET", "tm:{1}:window", user=None)


@pytest.mark.parametrize("command", [["INFO", "server"], ["SLOWLOG", "GET"], ["ZCARD", "tm:{1}:window"], ["PING"]])
def test_people_may_look(redis, command):
    assert not redis.cli(*command, user="viewer").startswith(("NOPERM", "NOAUTH", "WRONGPASS", "ERR"))


@pytest.mark.parametrize("command", [*ADMIN_COMMANDS, ["SET", "tm:x", "1"], ["SLOWLOG", "RESET"], ["EVAL", "return 1", "0"]])
def test_people_change_nothing(redis, command):
    assert "NOPERM" in redis.cli(*command, user="viewer")


@pytest.mark.parametrize("command", ADMIN_COMMANDS)
def test_functions_may_use_their_own_keys_and_no_administrative_command(redis, command):
    assert "NOPERM" in redis.cli(*command)


def test_the_functions_may_read_the_memory_of_redis(redis):
    assert f"maxmemory:{400 << 20}" in redis.cli("INFO", "memory")
