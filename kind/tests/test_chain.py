"""Tests the chain from sample to alert: a burst of anomalies reaches the receiver as an alert, which is later resolved.

Each panel of each dashboard is queried from the Prometheus that scrapes the exporter.
"""

import json

import pytest
import yaml

import dashboards
from chain import Chain, deployed, get, wait_for
from promql import families, metrics

# The rule counts a minute, each step adds seconds, and a busy machine needs more.
RESOLVED_S_MAX = 150


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    chain = Chain(tmp_path_factory.mktemp("chain"))
    yield chain
    chain.stop()


def burst(path):
    """Writes a stable series with twelve spikes at its end."""
    values = [100 + 3 * (i * 7 % 11) / 11 for i in range(120)]
    values += [value for i in range(12) for value in (900 + 50 * i, 100, 102, 101)]
    rows = [f"{1_790_000_000 + 60 * i},{value}" for i, value in enumerate(values)]
    path.write_text("\n".join(["timestamp,value", *rows]) + "\n")
    return path


def test_all_jobs_are_scraped_and_no_alert_is_sent(chain):
    jobs = {job["job_name"] for job in yaml.safe_load(deployed("prometheus.yml"))["scrape_configs"]}
    wait_for(jobs, lambda: {sample["metric"]["job"] for sample in chain.query("up == 1")} == jobs)
    # A counter without events is exported as 0, so its rate is not absent.
    wait_for("rates", lambda: chain.query("sum(increase(anomalies_total[1m])) == 0"))
    assert chain.alerts() == []


def test_a_burst_of_anomalies_reaches_the_receiver(chain, tmp_path):
    summary = chain.replay(burst(tmp_path / "burst.csv"))
    assert summary["accepted"] == 168, summary
    alert = wait_for("alert", chain.alerts)[0]
    assert alert["status"] == "firing"
    assert alert["labels"] == {"alertname": "AnomalyBurst", "severity": "warning"}
    assert "anomalies within the last minute" in alert["annotations"]["description"]
    assert alert["annotations"]["runbook"] == "kind/RUNBOOKS.md#anomalyburst"


def test_all_sent_samples_are_counted(chain):
    def counted():
        found = chain.query('sum(samples_total{outcome="accepted"})')
        return found and found[0]["value"][1] == "168"

    wait_for("count", counted)


def test_every_recorded_name_has_a_value(chain):
    for record in dashboards.recorded():
        wait_for(record, lambda: chain.query(record))


# Exported once a receiver of alerts is configured, which the overlay `notify` does.
OF_RECEIVERS = {"notifications_total"}


def test_rules_query_exported_metrics_only(chain):
    names = exported(chain) | OF_RECEIVERS
    for rule in dashboards.rules():
        assert metrics(rule["expr"]) <= names, rule


@pytest.mark.parametrize("dashboard", dashboards.all_of_them())
def test_every_panel_queries_exported_metrics_and_shows_data(chain, dashboard):
    names = exported(chain)
    for panel, expression in dashboards.queries(dashboard):
        assert metrics(expression) <= names, f"{panel}: {expression}"
        wait_for(f"{panel}: {expression}", lambda: chain.query(dashboards.filled(expression)), 20)


def test_a_panel_that_queries_an_unknown_metric_is_detected(chain):
    _, expression = dashboards.queries("service")[0]
    name = min(metrics(expression))
    broken = expression.replace(name, f"{name}s")
    assert not metrics(broken) <= exported(chain)
    assert chain.query(dashboards.filled(broken)) == []


def exported(chain):
    """Returns the names that the exporter, Knative's autoscaler and Prometheus export, and those that rules record."""
    addresses = [f"{chain.exporter}/metrics", f"{chain.exporter}/metrics/series", f"{chain.knative}/metrics"]
    texts = [get(f"http://{address}") for address in addresses]
    return families("\n".join(texts)) | {"up", "ALERTS"} | dashboards.recorded()


def test_the_alert_is_resolved(chain):
    def resolved():
        return [alert for alert in chain.alerts() if alert["status"] == "resolved"]

    alerts = wait_for("resolution", resolved, RESOLVED_S_MAX)
    assert {alert["alert"] for alert in alerts} == {"AnomalyBurst"}
    # No other alert was sent.
    assert {alert["alert"] for alert in chain.alerts()} == {"AnomalyBurst"}


def test_a_redis_that_lost_acknowledged_samples_is_reported(chain):
    chain.crash_redis()

    def sent():
        return [alert for alert in chain.alerts() if alert["labels"]["alertname"] == "StoreLostData"]

    alert = wait_for("StoreLostData", sent)[0]
    assert alert["labels"]["severity"] == "critical"
    losses = wait_for("losses", lambda: chain.query("store_losses_total > 0"))
    assert losses[0]["value"][1] == "1"
    ready = json.loads(get(f"http://{chain.exporter}/readyz"))
    assert (ready["status"], ready["warnings"]) == ("ready", ["store_lost_data"])
    # Counters that shrank fire no other alert.
    assert {alert["alert"] for alert in chain.alerts()} == {"AnomalyBurst", "StoreLostData"}


def test_the_exporter_reports_a_store_that_is_down(chain):
    chain.stop_redis()
    pending = 'ALERTS{alertname="StoreDown", alertstate="pending"}'
    wait_for("StoreDown", lambda: chain.query(pending))
    assert chain.query('up{job="exporter"} == 1')
