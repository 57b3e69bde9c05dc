"""What the dashboards ask, read from their files."""

import json

import yaml

from conftest import KIND

FOLDER = KIND / "monitoring" / "grafana" / "dashboards"


def all_of_them():
    return {it.stem: json.loads(it.read_text()) for it in sorted(FOLDER.glob("*.json"))}


def queries(name):
    """Each panel's title in a dashboard with each of its expressions."""
    panels = all_of_them()[name]["panels"]
    return [(panel["title"], target["expr"]) for panel in panels for target in panel["targets"]]


def filled(expression):
    """An expression as Grafana sends it: everything chosen, and rates over a minute."""
    expression = expression.replace("$__rate_interval", "1m")
    for name in {it["name"] for found in all_of_them().values() for it in found["templating"]["list"]}:
        expression = expression.replace(f'"${name}"', '".*"')
    assert "$" not in expression, expression
    return expression


def rules():
    files = (KIND / "monitoring" / "rules").glob("*.yml")
    groups = [group for it in files for group in yaml.safe_load(it.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def recorded():
    return {it["record"] for it in rules() if "record" in it}
