"""The whole chain for real: a burst of anomalies becomes an alert at the receiver, which is told later that it is over.

Meanwhile each panel of each dashboard is asked of the Prometheus that scraped the real exporter.
"""

import pytest
import yaml

import dashboards
from chain import Chain, deployed, get, wait_for
from promql import families, metrics

# A minute of the rule, some seconds of each step; on a busy machine more.
RESOLVED_S_MAX = 150


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    it = Chain(tmp_path_factory.mktemp("chain"))
    yield it
    it.stop()


def burst(path):
    """A quiet series, then one that leaves it again and again."""
    values = [100 + 3 * (i * 7 % 11) / 11 for i in range(120)]
    values += [value for i in range(12) for value in (900 + 50 * i, 100, 102, 101)]
    rows = [f"{1_790_000_000 + 60 * i},{value}" for i, value in enumerate(values)]
    path.write_text("\n".join(["timestamp,value", *rows]) + "\n")
    return path


def test_everything_is_scraped_and_nothing_is_told(chain):
    jobs = {it["job_name"] for it in yaml.safe_load(deployed("prometheus.yml"))["scrape_configs"]}
    wait_for(jobs, lambda: {it["metric"]["job"] for it in chain.query("up == 1")} == jobs)
    # The rate of what has never happened is 0, and not absent.
    wait_for("rates", lambda: chain.query("sum(increase(anomalies_total[1m])) == 0"))
    assert chain.alerts() == []


def test_a_burst_of_anomalies_reaches_the_receiver(chain, tmp_path):
    summary = chain.replay(burst(tmp_path / "burst.csv"))
    assert summary["accepted"] == 168, summary
    told = wait_for("alert", chain.alerts)
    assert told[0]["status"] == "firing"
    assert told[0]["labels"] == {"alertname": "AnomalyBurst", "severity": "warning"}
    assert "anomalies within the last minute" in told[0]["annotations"]["description"]
    assert told[0]["annotations"]["runbook"] == "kind/RUNBOOKS.md#anomalyburst"


def test_what_is_counted_is_what_was_sent(chain):
    def counted():
        found = chain.query('sum(samples_total{outcome="accepted"})')
        return found and found[0]["value"][1] == "168"

    wait_for("count", counted)


def test_every_recorded_name_has_a_value(chain):
    for record in dashboards.recorded():
        wait_for(record, lambda: chain.query(record))


def test_the_rules_ask_for_what_is_exported(chain):
    known = exported(chain)
    for rule in dashboards.rules():
        assert metrics(rule["expr"]) <= known, rule


@pytest.mark.parametrize("dashboard", dashboards.all_of_them())
def test_every_panel_asks_for_what_is_exported_and_shows_something(chain, dashboard):
    known = exported(chain)
    for panel, expression in dashboards.queries(dashboard):
        assert metrics(expression) <= known, f"{panel}: {expression}"
        wait_for(f"{panel}: {expression}", lambda: chain.query(dashboards.filled(expression)), 20)


def test_a_panel_that_asks_for_an_unknown_metric_is_seen(chain):
    _, expression = dashboards.queries("service")[0]
    name = min(metrics(expression))
    broken = expression.replace(name, f"{name}s")
    assert not metrics(broken) <= exported(chain)
    assert chain.query(dashboards.filled(broken)) == []


def exported(chain):
    """Names that the exporter, the autoscaler of Knative and Prometheus itself export, and that the rules record."""
    where = [f"{chain.exporter}/metrics", f"{chain.exporter}/metrics/series", f"{chain.knative}/metrics"]
    texts = [get(f"http://{it}") for it in where]
    return families("\n".join(texts)) | {"up", "ALERTS"} | dashboards.recorded()


def test_the_alert_is_resolved(chain):
    def resolved():
        return [it for it in chain.alerts() if it["status"] == "resolved"]

    told = wait_for("resolution", resolved, RESOLVED_S_MAX)
    assert {it["alert"] for it in told} == {"AnomalyBurst"}
    # Nothing else was told in the meantime.
    assert {it["alert"] for it in chain.alerts()} == {"AnomalyBurst"}


def test_a_store_that_is_away_is_seen_while_the_exporter_answers(chain):
    chain.stop_redis()
    pending = 'ALERTS{alertname="StoreDown", alertstate="pending"}'
    wait_for("StoreDown", lambda: chain.query(pending))
    assert chain.query('up{job="exporter"} == 1')
