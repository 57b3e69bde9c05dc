"""The dashboards have the shape that Grafana reads, and the habits that its linter asks for.

Grafana itself is not here: what it would show is asked of Prometheus in `test_chain`.
"""

import json
import re

import pytest
import yaml

import dashboards
from conftest import KIND

# What a panel's numbers are, as Grafana names units.
UNITS = {"short", "s", "reqps", "cps", "percentunit"}


@pytest.fixture(params=dashboards.all_of_them())
def dashboard(request):
    return dashboards.all_of_them()[request.param]


def test_each_dashboard_can_be_told_from_the_others():
    found = dashboards.all_of_them()
    assert len({it["uid"] for it in found.values()}) == len(found)
    assert len({it["title"] for it in found.values()}) == len(found)
    assert all(it["uid"] == f"tidemark-{name}" for name, it in found.items())


def test_panels_say_what_they_show(dashboard):
    for panel in dashboard["panels"]:
        assert panel["type"] in ("timeseries", "stat")
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["targets"]


def test_panels_lie_side_by_side(dashboard):
    """Grafana's grid is 24 wide; two panels in one place push each other away."""
    taken = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


def test_ids_are_used_once(dashboard):
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in dashboard["panels"]:
        refs = [it["refId"] for it in panel["targets"]]
        assert len(set(refs)) == len(refs)


def test_the_data_source_is_chosen_once(dashboard):
    variables = dashboard["templating"]["list"]
    assert variables[0]["type"] == "datasource" and variables[0]["query"] == "prometheus"
    wanted = {"type": "prometheus", "uid": "${datasource}"}
    for it in [*dashboard["panels"], *variables[1:]]:
        assert it["datasource"] == wanted
    for panel in dashboard["panels"]:
        assert all(it["datasource"] == wanted for it in panel["targets"])


def test_rates_follow_the_interval_of_the_page(dashboard):
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            assert all(it == "$__rate_interval" for it in re.findall(r"rate\([^\[]*\[([^\]]+)\]", target["expr"]))


def test_every_variable_is_used_and_every_used_one_is_there(dashboard):
    text = json.dumps([dashboard["panels"], [it["query"] for it in dashboard["templating"]["list"]]])
    used = set(re.findall(r"\$\{?(\w+)", text)) - {"__rate_interval"}
    assert used == {it["name"] for it in dashboard["templating"]["list"]}


def test_legends_name_labels_that_the_answer_has(dashboard):
    """A label that was summed away leaves a hole in the legend."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            grouped = re.search(r"\bby \(([^)]*)\)", target["expr"])
            if grouped:
                named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
                assert named <= {it.strip() for it in grouped.group(1).split(",")}


def test_grafana_finds_the_dashboards_and_prometheus():
    folder = KIND / "monitoring" / "grafana"
    source = yaml.safe_load((folder / "datasources.yml").read_text())["datasources"][0]
    prometheus = yaml.safe_load((KIND / "monitoring" / "prometheus.yml").read_text())
    assert source["type"] == "prometheus" and source["isDefault"]
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    mounts = yaml.safe_load_all((KIND / "monitoring" / "grafana.yaml").read_text())
    pod = next(it for it in mounts if it["kind"] == "Deployment")["spec"]["template"]["spec"]
    where = {it["name"]: it["mountPath"] for it in pod["containers"][0]["volumeMounts"]}
    provider = yaml.safe_load((folder / "dashboards.yml").read_text())["providers"][0]
    assert provider["options"]["path"] == where["dashboards"]
    shipped = yaml.safe_load((KIND / "monitoring" / "kustomization.yaml").read_text())
    shipped = next(it for it in shipped["configMapGenerator"] if it["name"] == "grafana-dashboards")
    assert set(shipped["files"]) == {
        f"grafana/dashboards/{name}.json" for name in dashboards.all_of_them()
    }
