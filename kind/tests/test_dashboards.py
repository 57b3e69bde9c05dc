"""Tests that the dashboards have the structure that Grafana reads, and follow the rules of its linter.

Grafana does not run here: `test_chain` queries Prometheus for the data of each panel.
"""

import json
import re

import pytest
import yaml

import dashboards
from conftest import KIND

# Units in use, by their names in Grafana.
UNITS = {"short", "s", "reqps", "cps", "percentunit"}


@pytest.fixture(params=dashboards.all_of_them())
def dashboard(request):
    return dashboards.all_of_them()[request.param]


def test_dashboards_have_different_ids_and_titles():
    found = dashboards.all_of_them()
    assert len({dashboard["uid"] for dashboard in found.values()}) == len(found)
    assert len({dashboard["title"] for dashboard in found.values()}) == len(found)
    assert all(dashboard["uid"] == f"tidemark-{name}" for name, dashboard in found.items())


def test_panels_have_title_description_and_unit(dashboard):
    for panel in dashboard["panels"]:
        assert panel["type"] in ("timeseries", "stat")
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["targets"]


def test_panels_do_not_overlap(dashboard):
    """Grafana's grid has 24 columns; it moves panels that overlap."""
    taken = {}
    for panel in dashboard["panels"]:
        area = panel["gridPos"]
        assert area["x"] + area["w"] <= 24
        for x in range(area["x"], area["x"] + area["w"]):
            for y in range(area["y"], area["y"] + area["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


def test_ids_are_used_once(dashboard):
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in dashboard["panels"]:
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)


def test_the_data_source_is_chosen_once(dashboard):
    variables = dashboard["templating"]["list"]
    assert variables[0]["type"] == "datasource" and variables[0]["query"] == "prometheus"
    wanted = {"type": "prometheus", "uid": "${datasource}"}
    for user in [*dashboard["panels"], *variables[1:]]:
        assert user["datasource"] == wanted
    for panel in dashboard["panels"]:
        assert all(target["datasource"] == wanted for target in panel["targets"])


def test_rates_follow_the_interval_of_the_page(dashboard):
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            assert all(interval == "$__rate_interval" for interval in re.findall(r"rate\([^\[]*\[([^\]]+)\]", target["expr"]))


def test_every_variable_is_defined_and_used(dashboard):
    text = json.dumps([dashboard["panels"], [variable["query"] for variable in dashboard["templating"]["list"]]])
    used = set(re.findall(r"\$\{?(\w+)", text)) - {"__rate_interval"}
    assert used == {variable["name"] for variable in dashboard["templating"]["list"]}


def test_legends_name_labels_of_the_result(dashboard):
    """A label that an aggregation removes would be empty in the legend."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            grouped = re.search(r"\bby \(([^)]*)\)", target["expr"])
            if grouped:
                named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
                assert named <= {label.strip() for label in grouped.group(1).split(",")}


def test_grafana_finds_the_dashboards_and_prometheus():
    folder = KIND / "monitoring" / "grafana"
    source = yaml.safe_load((folder / "datasources.yml").read_text())["datasources"][0]
    prometheus = yaml.safe_load((KIND / "monitoring" / "prometheus.yml").read_text())
    assert source["type"] == "prometheus" and source["isDefault"]
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    mounts = yaml.safe_load_all((KIND / "monitoring" / "grafana.yaml").read_text())
    pod = next(document for document in mounts if document["kind"] == "Deployment")["spec"]["template"]["spec"]
    where = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    provider = yaml.safe_load((folder / "dashboards.yml").read_text())["providers"][0]
    assert provider["options"]["path"] == where["dashboards"]
    shipped = yaml.safe_load((KIND / "monitoring" / "kustomization.yaml").read_text())
    shipped = next(generator for generator in shipped["configMapGenerator"] if generator["name"] == "grafana-dashboards")
    assert set(shipped["files"]) == {
        f"grafana/dashboards/{name}.json" for name in dashboards.all_of_them()
    }
