"""The dashboard of episodes for Grafana: each of its queries finds in the API what its panel shows.

Grafana does not run here: a test asks for what the plugin would, and follows the selectors.
"""

import json
import pathlib
import re
import time
import urllib.parse
import urllib.request

import pytest

from test_ui import history

FOLDER = pathlib.Path(__file__).resolve().parents[4] / "docs" / "grafana"
DASHBOARD = json.loads((FOLDER / "episodes.json").read_text())
TYPES = {"string": str, "number": (int, float), "timestamp_epoch": (int, float)}


def variables():
    """Values of the variables, and of the times that Grafana sets."""
    found = {variable["name"]: variable["current"]["value"] for variable in DASHBOARD["templating"]["list"]}
    return {**found, "__from": str(int(time.time() - 3 * 3600) * 1000)}


def filled(text):
    return re.sub(r"\$\{(\w+)\}", lambda name: variables()[name[1]], text)


def at(value, selector):
    """The part of an answer that a selector names."""
    for part in filter(None, selector.split(".")):
        if value is None:
            return None
        value = value[int(part)] if part.isdigit() else value[part]
    return value


@pytest.fixture
def answers(deploy):
    """A deployment in which the series of the dashboard has an alert."""
    deployment = deploy(TIDEMARK_ALERTS=json.dumps({"receivers": [{"name": "log", "log": True}]}))
    time.sleep(1.2)  # A notifier that has run.
    samples = history()
    for sample in samples:
        sample.pop("labels")
    deployment.send(samples)

    def ask(target):
        query = {param["key"]: filled(param["value"]) for param in target["url_options"]["params"]}
        with urllib.request.urlopen(f"{deployment.url}{target['url']}?{urllib.parse.urlencode(query)}") as answer:
            return json.load(answer)

    return ask


def test_each_column_of_each_panel_is_in_the_api(answers):
    for panel in DASHBOARD["panels"]:
        [target] = panel["targets"]
        assert (target["type"], target["source"], target["parser"]) == ("json", "url", "backend")
        begin = time.monotonic()
        while not (rows := at(answers(target), target["root_selector"])) and time.monotonic() - begin < 30:
            time.sleep(0.2)
        assert rows, f"{panel['title']} is empty"
        for column in target["columns"]:
            values = [at(row, column["selector"]) for row in rows]
            known = [value for value in values if value is not None]
            assert known and all(isinstance(value, TYPES[column["type"]]) for value in known), (panel["title"], column, values[-1])
        overrides = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}
        assert overrides <= {column["text"] for column in target["columns"]}


def test_the_data_source_is_the_one_that_the_panels_use():
    source = (FOLDER / "datasource.yml").read_text()
    kind = "yesoreyeram-infinity-datasource"
    assert f"type: {kind}\n" in source and "uid: tidemark\n" in source
    address = re.search(r"    url: (\S+)", source)[1]
    assert f"allowedHosts:\n        - {address}\n" in source
    first = DASHBOARD["templating"]["list"][0]
    assert (first["type"], first["query"], first["current"]["value"]) == ("datasource", kind, "tidemark")
    wanted = {"type": kind, "uid": "${datasource}"}
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"] == wanted and all(target["datasource"] == wanted for target in panel["targets"])


def test_panels_have_descriptions_and_do_not_overlap():
    taken = set()
    for panel in DASHBOARD["panels"]:
        assert panel["title"] and panel["description"].endswith(".")
        area = panel["gridPos"]
        rows = set(range(area["y"], area["y"] + area["h"]))
        assert not rows & taken and area["x"] + area["w"] <= 24
        taken |= rows
    used = set(re.findall(r"\$\{(\w+)\}", json.dumps(DASHBOARD["panels"])))
    assert used == {"__from", *(variable["name"] for variable in DASHBOARD["templating"]["list"])}
