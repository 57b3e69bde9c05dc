"""Alerts on the way from a sample to a person: real functions, a real Alertmanager, and a webhook."""

import json
import time
import urllib.request

import pytest
from conftest import SECRET, Alertmanager, Hook, Process, Redis, SlowHook, command, until

INTERVAL_S = 10
HISTORY = 240


def rules(hook, policy="", **others):
    """Receivers with a webhook, and one policy for all series."""
    receivers = [{"name": "hook", "webhook": hook.url, "secrets": [SECRET], "allow_private": True}]
    policies = [{"name": "all", "policy": policy}]
    return json.dumps({"receivers": receivers, "policies": policies, "page_url": "https://tidemark.example/ui", **others})


class Series:
    """A series of one source, whose samples come every ten seconds."""

    def __init__(self, source, function, begin_s=None):
        self.source, self.function = source, function
        self.at_s = begin_s if begin_s is not None else int(time.time()) - (HISTORY + 80) * INTERVAL_S
        self.position = 0

    def samples(self, n, value=None):
        made = []
        for _ in range(n):
            usual = 100 + self.position * 7 % 11
            made.append({"source": self.source, "metric": "rps", "value": value or usual, "timestamp": self.at_s * 1000})
            self.at_s += INTERVAL_S
            self.position += 1
        return made

    def send(self, n, value=None):
        return self.function.send(self.samples(n, value))


def learned(function, source="checkout"):
    """Returns a series that has learned what is normal."""
    series = Series(source, function)
    series.send(HISTORY)
    return series


@pytest.fixture
def hook(started):
    return started(Hook)


def test_a_burst_on_one_of_200_series_reaches_alertmanager_and_a_webhook_once(started, hook, tmp_path):
    behind = started(Hook)
    alertmanager = started(Alertmanager, tmp_path, behind)
    receivers = [
        {"name": "hook", "webhook": hook.url, "secrets": [SECRET], "allow_private": True},
        {"name": "ops", "alertmanager": [alertmanager.url]},
    ]
    policies = [{"name": "all", "policy": "keep_firing=4s,severity=critical,group_by=source"}]
    alerts = json.dumps({"receivers": receivers, "policies": policies, "page_url": "https://tidemark.example/ui"})
    function = started(Process, "standalone", TIDEMARK_ALERTS=alerts)
    everything = [Series(f"shop-{i}", function) for i in range(200)]
    for series in everything:
        series.send(HISTORY)
    checkout = everything[77]
    # Twelve minutes of samples in twelve requests, while the others continue as usual.
    for _ in range(12):
        sent = time.time()
        checkout.send(6, value=900)
        function.send([sample for series in everything if series is not checkout for sample in series.samples(6)])
        hook.until("firing")
        time.sleep(0.3)
    first = hook.messages[0]
    delay_s = time.time() - sent
    assert delay_s < 60, delay_s
    assert hook.phases() == [("firing", 1)], "it does not end while the episode lasts"
    assert first["type"] == "alert.firing"
    data = first["data"]
    assert (data["source"], data["metric"], data["severity"], data["policy"]) == ("shop-77", "rps", "critical", "all")
    assert data["value"] == 900 and 80 < data["expected"] < 130 and data["high"] < 900
    assert data["group"] == {"source": "shop-77"}
    assert data["url"] == "https://tidemark.example/ui#series?source=shop%2D77&metric=rps"

    [alert] = alertmanager.alerts()
    labels = {"alertname": "TidemarkAnomaly", "source": "shop-77", "metric": "rps", "severity": "critical"}
    assert alert["labels"] == {**labels, "tenant": "default", "group": "source=shop-77"}
    assert alert["status"]["state"] == "active"
    assert "rps of shop-77 is 900" in alert["annotations"]["summary"]
    ahead_s = time.mktime(time.strptime(alert["endsAt"][:19], "%Y-%m-%dT%H:%M:%S")) - time.mktime(time.gmtime())
    assert ahead_s > 4 * 60, "it does not end by itself before four repetitions failed"
    until("alertmanager notifies", lambda: behind.messages)
    assert [message["status"] for message in behind.messages] == ["firing"]

    checkout.send(10)
    hook.until("resolved")
    assert hook.phases() == [("firing", 1), ("resolved", 2)]
    assert len(set(hook.ids)) == 2 and {identity.split(".")[0] for identity in hook.ids} == {data["id"]}
    status, answer = function.request("GET", "/alerts")
    assert status == 200 and [alert["phase"] for alert in answer["alerts"]] == ["resolved"], answer
    # Alertmanager gets the end a minute after the beginning, so that it notifies of both.
    until(lambda: behind.messages, lambda: len(behind.messages) == 2, 90)
    assert behind.messages[1]["status"] == "resolved"


@pytest.mark.parametrize(
    ("policy", "value", "n", "is_sent"),
    [
        ("direction=above", 900, 3, True),
        ("direction=below", 900, 3, False),
        ("direction=below", 2, 3, True),
        ("min_change=500", 900, 3, True),
        ("min_change=5000", 900, 3, False),
        ("change=300%", 900, 3, True),
        ("change=3000%", 900, 3, False),
        ("samples=3/3", 900, 3, True),
        ("samples=4/5", 900, 3, False),
        ("duration=1m", 900, 3, False),
        ("duration=1m", 900, 9, True),
        ("signals=gap", 900, 3, False),
        ("maintenance=Mon-Sun 00:00-24:00", 900, 3, False),
        ("off", 900, 3, False),
    ],
)  # fmt: skip
def test_a_policy_decides_what_is_sent(started, hook, policy, value, n, is_sent):
    function = started(Process, "standalone", TIDEMARK_ALERTS=rules(hook))
    series, other = learned(function), learned(function, "other")
    time.sleep(1.2)  # A notifier that has run.
    status, answer = function.configure("checkout", {"alerts": policy})
    assert (status, answer["alerts"]) == (200, policy), answer
    series.send(n, value)
    other.send(3, 900)
    until("the alert of the other series", lambda: [m for m in hook.messages if m["data"]["source"] == "other"])
    time.sleep(1.5)
    sent = [message["data"]["phase"] for message in hook.messages if message["data"]["source"] == "checkout"]
    assert sent == (["firing"] if is_sent else []), hook.messages
    preview = {"policy": policy, "source": "checkout", "days": 1}
    status, answer = function.request("POST", "/alerts/preview", preview)
    assert (status, answer["alerts"], answer["episodes"]) == (200, int(is_sent), 1), answer


def test_a_cool_down_holds_back_the_next_alert(started, hook):
    function = started(Process, "standalone", TIDEMARK_ALERTS=rules(hook, "keep_firing=0s,cool_down=1h"))
    series = Series("checkout", function, int(time.time()) - (HISTORY + 300) * INTERVAL_S)
    series.send(HISTORY)
    series.send(3, 900)
    hook.until("firing")
    series.send(200)
    hook.until("resolved")
    series.send(3, 900)
    time.sleep(3)
    assert hook.phases() == [("firing", 1), ("resolved", 2)]
    _, answer = function.request("GET", "/alerts")
    assert [alert["phase"] for alert in answer["alerts"]] == ["pending", "resolved"], answer


def test_a_wrong_policy_is_refused_with_the_name_of_its_field(started, hook):
    function = started(Process, "standalone", TIDEMARK_ALERTS=rules(hook))
    for policy, detail in [
        ("direction=up", "field `alerts` is invalid: `direction` is `up`: expected above, below or both"),
        ("receivers=phone", "field `alerts` is invalid: receiver `phone` is unknown: expected one of hook"),
        (5, "field `alerts` is invalid: expected a policy"),
    ]:
        status, answer = function.configure("checkout", {"alerts": policy})
        assert status == 422 and answer["detail"].startswith(detail), answer
    for body, detail in [
        ({"policy": "samples=9"}, "field `policy` is invalid: `samples` is `9`: expected M/N"),
        ({"days": 99}, "field `days` is 99: expected 1 to 35"),
        ({"polcy": ""}, "body is not read: unknown field `polcy`"),
    ]:
        status, answer = function.request("POST", "/alerts/preview", body)
        assert status == 422 and answer["detail"].startswith(detail), answer


def test_a_receiver_that_was_away_gets_every_change_in_order(started, hook):
    function = started(Process, "standalone", TIDEMARK_ALERTS=rules(hook, "keep_firing=0s"))
    series = learned(function)
    hook.stop()
    series.send(3, 900)
    time.sleep(2)
    series.send(2)
    time.sleep(2)
    hook.start()
    hook.until("resolved")
    assert hook.phases() == [("firing", 1), ("resolved", 2)]


def test_a_slow_receiver_does_not_delay_the_others(started, hook):
    slow = started(SlowHook)
    receiver = {"secrets": [SECRET], "allow_private": True}
    receivers = [{"name": "hook", "webhook": hook.url, **receiver}, {"name": "slow", "webhook": slow.url, **receiver}]
    function = started(Process, "standalone", TIDEMARK_ALERTS=json.dumps({"receivers": receivers}))
    everything = [learned(function, f"shop-{i}") for i in range(8)]
    everything.pop().send(3, 900)

    def overtakes():
        """An alert that begins while the slow receiver has a message reaches the other one before it answers."""
        until("the slow receiver has a message", lambda: slow.n_open)
        n_answered, n_before = slow.n_answered, len(hook.messages)
        everything.pop().send(3, 900)
        until("the other receiver has the alert", lambda: len(hook.messages) > n_before)
        return slow.n_answered == n_answered

    assert any(overtakes() for _ in range(6)), "each alert waited for the slow receiver"
    slow.is_slow = False
    until(lambda: slow.ids, lambda: len(set(slow.ids)) == 8 - len(everything), 90)
    assert len(hook.ids) == len(set(hook.ids)) == 8 - len(everything)


def test_a_receiver_asks_for_a_later_try_and_for_no_more_messages(started, hook):
    function = started(Process, "standalone", TIDEMARK_ALERTS=rules(hook, "keep_firing=0s"))
    hook.answers = [(503, {"Retry-After": "4"}), (302, {"Location": f"{hook.url}/elsewhere"})]
    series = learned(function)
    series.send(3, 900)
    hook.until("firing")
    (identity, refused), (again, redirected) = hook.refusals
    assert identity == again == hook.ids[0], "a repetition has the same identity"
    assert redirected - refused > 3.5
    hook.answers = [(410, {})]
    series.send(2)
    until("the end is refused", lambda: len(hook.refusals) == 3)
    learned(function, "other").send(3, 900)
    time.sleep(4)
    assert len(hook.refusals) == 3 and hook.phases() == [("firing", 1)], "it is not asked again"
    metrics = []

    def read():
        import urllib.request

        metrics[:] = urllib.request.urlopen(f"{function.url}/metrics").read().decode().splitlines()
        return 'notifications_total{receiver="hook",result="given_up"} 2' in metrics

    until(lambda: [line for line in metrics if "notifications" in line], read, 10)


def test_a_private_address_must_be_allowed(hook):
    for url in [hook.url, "http://[::1]:9/hook", "http://169.254.169.254/latest"]:
        alerts = json.dumps({"receivers": [{"name": "hook", "webhook": url, "secrets": [SECRET]}]})
        with pytest.raises(AssertionError, match="receiver `hook`: its address is private"):
            Process("standalone", TIDEMARK_ALERTS=alerts)


def test_a_name_of_a_private_address_is_refused_when_it_is_called(started, hook):
    url = hook.url.replace("127.0.0.1", "localhost")
    alerts = json.dumps({"receivers": [{"name": "hook", "webhook": url, "secrets": [SECRET]}]})
    function = started(Process, "standalone", TIDEMARK_ALERTS=alerts)
    learned(function).send(3, 900)
    until(lambda: function.lines, lambda: any("its address is private" in line for line in function.lines))
    assert hook.messages == [] and hook.refusals == []


@pytest.mark.parametrize("binary", ["standalone", "analyze"])
def test_a_person_learns_whether_a_receiver_gets_messages(started, hook, tmp_path, binary):
    behind = started(Hook)
    alertmanager = started(Alertmanager, tmp_path, behind)
    receivers = [
        {"name": "hook", "webhook": hook.url, "secrets": [SECRET], "allow_private": True},
        {"name": "ops", "alertmanager": [alertmanager.url]},
    ]
    run = lambda *arguments: command(binary, "alerts", *arguments, TIDEMARK_ALERTS=json.dumps({"receivers": receivers}))
    assert run("check") == (0, "receiver hook (webhook)\nreceiver ops (alertmanager)\npolicies 0\n", "")
    assert run("test", "hook")[:2] == (0, "receiver hook took the test message\n")
    assert hook.phases() == [("firing", 1), ("resolved", 2)]
    data = hook.messages[0]["data"]
    assert (data["source"], data["metric"], data["labels"], data["severity"]) == ("tidemark", "test_message", {"test": "true"}, "info")
    assert data["summary"].startswith("test_message of tidemark: this is a test of the receiver")
    assert run("test", "ops")[:2] == (0, "receiver ops took the test message\n")
    [alert] = until("alertmanager has the message", alertmanager.alerts)
    assert (alert["labels"]["metric"], alert["labels"]["test"], alert["status"]["state"]) == ("test_message", "true", "active")
    hook.stop()
    code, out, error = run("test", "hook")
    assert (code, out) == (69, "") and "failed to deliver the test message to receiver `hook`: it was not reached" in error
    code, out, error = run("test", "phone")
    assert (code, out) == (64, "") and "receiver `phone` is unknown: expected one of hook, ops" in error
    receivers[0]["webhook"] = "hook"
    code, out, error = run("check")
    assert (code, out) == (64, "") and "receiver `hook`: the address is not valid" in error
    receivers.clear()
    assert run("check")[0] == 64


def deployment(started, hook, tmp_path, n_notifiers, policy="keep_firing=0s"):
    redis = started(Redis, tmp_path)
    env = {"REDIS_URL": redis.url, "TIDEMARK_ACCESS": "open"}
    alerts = {"TIDEMARK_ALERTS": rules(hook, policy)}
    notifiers = [started(Process, "analyze", "notifier", **env, **alerts) for _ in range(n_notifiers)]
    time.sleep(1.5)  # One of them has the lease.
    return redis, started(Process, "ingest", **env), notifiers, {**env, **alerts}


def test_two_notifiers_send_once(started, hook, tmp_path):
    _, ingest, _, _ = deployment(started, hook, tmp_path, 2)
    everything = [learned(ingest, f"shop-{i}") for i in range(20)]
    for series in everything:
        series.send(3, 900)
    until(lambda: hook.phases(), lambda: len(hook.messages) == 20)
    for series in everything:
        series.send(2)
    until(lambda: hook.phases(), lambda: len(hook.messages) == 40)
    time.sleep(2)
    assert len(hook.ids) == len(set(hook.ids)) == 40


def test_a_killed_notifier_loses_no_alert_and_makes_no_second_page(started, hook, tmp_path):
    _, ingest, [first, second], env = deployment(started, hook, tmp_path, 2)
    series = learned(ingest)
    first.kill()
    series.send(3, 900)
    hook.until("firing")
    second.kill()
    series.send(2)
    time.sleep(1)
    started(Process, "analyze", "notifier", **env)
    hook.until("resolved")
    assert [*dict.fromkeys(hook.ids)] == [f"{hook.messages[0]['data']['id']}.{revision}" for revision in (1, 2)]


def test_a_notifier_that_stops_hands_over_at_once(started, hook, tmp_path):
    _, ingest, [first], env = deployment(started, hook, tmp_path, 1)
    series = learned(ingest)
    started(Process, "analyze", "notifier", **env)
    first.stop()
    begin = time.monotonic()
    series.send(3, 900)
    hook.until("firing")
    assert time.monotonic() - begin < 10, "it did not wait for the end of the lease"


def test_a_redis_that_is_killed_loses_no_alert(started, hook, tmp_path):
    redis, ingest, _, _ = deployment(started, hook, tmp_path, 1)
    series = learned(ingest)
    series.send(3, 900)
    redis.kill()
    time.sleep(2)
    redis.start()
    hook.until("firing")
    until("ingest is back", lambda: ingest.request("GET", "/readyz")[0] == 200)
    redis.kill()
    redis.start()
    until("ingest is back", lambda: ingest.request("GET", "/readyz")[0] == 200)
    series.send(2)
    hook.until("resolved")
    assert [*dict.fromkeys(hook.ids)] == [f"{hook.messages[0]['data']['id']}.{revision}" for revision in (1, 2)]


def test_a_deleted_series_ends_its_alert(started, hook):
    function = started(Process, "standalone", TIDEMARK_ALERTS=rules(hook))
    learned(function).send(3, 900)
    hook.until("firing")
    status, _ = function.request("DELETE", "/series?source=checkout&metric=rps")
    assert status == 204
    hook.until("resolved")


def test_a_history_that_is_sent_at_once_makes_no_alert(started, hook):
    function = started(Process, "standalone", TIDEMARK_ALERTS=rules(hook))
    old = Series("old", function, int(time.time()) - 86_400)
    old.send(HISTORY)
    old.send(3, 900)
    old.send(20)
    new = learned(function, "new")
    new.send(3, 900)
    hook.until("firing")
    time.sleep(1.5)
    assert [message["data"]["source"] for message in hook.messages] == ["new"]
