"""Reads the expressions of the dashboards and of the rules."""

import json

import yaml

from conftest import KIND

FOLDER = KIND / "monitoring" / "grafana" / "dashboards"


def all_of_them():
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def queries(name):
    """Returns pairs of panel title and expression of a dashboard."""
    panels = all_of_them()[name]["panels"]
    return [(panel["title"], target["expr"]) for panel in panels for target in panel["targets"]]


def filled(expression):
    """Returns an expression as Grafana sends it, with all values of each variable selected and rates over a minute."""
    expression = expression.replace("$__rate_interval", "1m")
    for name in {variable["name"] for found in all_of_them().values() for variable in found["templating"]["list"]}:
        expression = expression.replace(f'"${name}"', '".*"')
    assert "$" not in expression, expression
    return expression


def rules():
    files = (KIND / "monitoring" / "rules").glob("*.yml")
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def recorded():
    return {rule["record"] for rule in rules() if "record" in rule}
