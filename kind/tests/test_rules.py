"""Tests that the rules and their configuration are valid, that each has a test, and that each alert has a runbook."""

import re
import subprocess

import pytest
import yaml

from conftest import KIND, ROOT

MONITORING = KIND / "monitoring"


def rules(kind):
    files = (MONITORING / "rules").glob("*.yml")
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


ALERTS = {rule["alert"]: rule for rule in rules("alert")}


def run(*command):
    done = subprocess.run(command, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_accepts_its_configuration_and_rules():
    run("promtool", "check", "config", MONITORING / "prometheus.yml")
    run("promtool", "check", "rules", "--lint-fatal", *(MONITORING / "rules").glob("*.yml"))


def test_every_rule_passes_its_tests():
    run("promtool", "test", "rules", KIND / "tests" / "rules.yml")


def test_alertmanager_accepts_its_configuration():
    run("amtool", "check-config", MONITORING / "alertmanager.yml")


@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
def test_alerts_of_each_severity_reach_the_webhook(severity):
    route = ["amtool", "config", "routes", "test", "--config.file", MONITORING / "alertmanager.yml"]
    assert run(*route, f"severity={severity}", "alertname=Any").strip() == "webhook"


def rule_tests():
    return yaml.safe_load((KIND / "tests" / "rules.yml").read_text())["tests"]


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_tested_to_fire_and_not_to_fire(alert):
    tests = [test for test in rule_tests() if test["name"].startswith(f"{alert} ")]
    samples = [expression["exp_samples"] for test in tests for expression in test["promql_expr_test"]]
    assert any(f'alertname="{alert}"' in sample["labels"] for found in samples for sample in found)
    assert any(found == [] for found in samples)


@pytest.mark.parametrize("record", [rule["record"] for rule in rules("record")])
def test_every_recording_rule_is_tested(record):
    expressions = [expression["expr"] for test in rule_tests() for expression in test["promql_expr_test"]]
    assert f"round({record}, 0.0001)" in expressions


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_severity_annotations_and_a_runbook(alert):
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"kind/RUNBOOKS.md#{alert.lower()}"
    text = (KIND / "RUNBOOKS.md").read_text()
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    for part in ("**Meaning.**", "**Check.**", "**Action.**"):
        assert part in sections[alert]


def test_every_runbook_belongs_to_an_alert():
    text = (KIND / "RUNBOOKS.md").read_text()
    assert set(re.findall(r"^## (\w+)$", text, re.MULTILINE)) == set(ALERTS)


def test_runbooks_quote_existing_log_messages():
    text = (KIND / "RUNBOOKS.md").read_text()
    messages = re.findall(r"grep '([^']+)'", text) + re.findall(r"log contains `([^`]+)`", text)
    assert len(messages) > 1
    sources = "".join(path.read_text() for path in (ROOT / "functions").rglob("src/**/*.rs"))
    assert [message for message in messages if f'"{message}"' not in sources] == []


def test_inhibitions_name_existing_alerts():
    text = (MONITORING / "alertmanager.yml").read_text()
    named = re.findall(r'alertname(?:=|!=|=~)"([^"]+)"', text)
    assert {name for names in named for name in names.split("|")} <= set(ALERTS)
