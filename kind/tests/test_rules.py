"""The rules and their configuration are valid, each is tried, and each alert tells what to do."""

import re
import subprocess

import pytest
import yaml

from conftest import KIND

MONITORING = KIND / "monitoring"


def rules(kind):
    files = (MONITORING / "rules").glob("*.yml")
    groups = [group for it in files for group in yaml.safe_load(it.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


ALERTS = {it["alert"]: it for it in rules("alert")}


def run(*command):
    done = subprocess.run(command, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_its_configuration_and_rules():
    run("promtool", "check", "config", MONITORING / "prometheus.yml")
    run("promtool", "check", "rules", "--lint-fatal", *(MONITORING / "rules").glob("*.yml"))


def test_every_rule_does_what_its_numbers_say():
    run("promtool", "test", "rules", KIND / "tests" / "rules.yml")


def test_alertmanager_takes_its_configuration():
    run("amtool", "check-config", MONITORING / "alertmanager.yml")


@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
def test_alerts_of_each_severity_reach_the_webhook(severity):
    route = ["amtool", "config", "routes", "test", "--config.file", MONITORING / "alertmanager.yml"]
    assert run(*route, f"severity={severity}", "alertname=Any").strip() == "webhook"


def tried():
    return yaml.safe_load((KIND / "tests" / "rules.yml").read_text())["tests"]


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_seen_to_fire_and_not_to_fire(alert):
    tests = [it for it in tried() if it["name"].startswith(f"{alert} ")]
    samples = [it["exp_samples"] for test in tests for it in test["promql_expr_test"]]
    assert any(f'alertname="{alert}"' in it["labels"] for found in samples for it in found)
    assert any(found == [] for found in samples)


@pytest.mark.parametrize("record", [it["record"] for it in rules("record")])
def test_every_recording_is_computed_once(record):
    expressions = [it["expr"] for test in tried() for it in test["promql_expr_test"]]
    assert f"round({record}, 0.0001)" in expressions


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_what_it_is_and_what_to_do(alert):
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"kind/RUNBOOKS.md#{alert.lower()}"
    text = (KIND / "RUNBOOKS.md").read_text()
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    for part in ("**Means.**", "**Look.**", "**Do.**"):
        assert part in sections[alert]


def test_no_runbook_is_of_an_alert_that_is_gone():
    text = (KIND / "RUNBOOKS.md").read_text()
    assert set(re.findall(r"^## (\w+)$", text, re.MULTILINE)) == set(ALERTS)


def test_inhibitions_name_alerts_that_there_are():
    text = (MONITORING / "alertmanager.yml").read_text()
    named = re.findall(r'alertname(?:=|!=|=~)"([^"]+)"', text)
    assert {name for it in named for name in it.split("|")} <= set(ALERTS)
