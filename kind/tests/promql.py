"""Finds the names of metrics in PromQL expressions, to compare dashboards and rules with the exported metrics.

Expressions are not validated: Prometheus does that.
"""

import re

# Keywords and constants; functions need no list, since a parenthesis follows them.
WORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "inf", "nan"}
WORDS |= {"group_left", "group_right", "start", "end", "atan2"}

GROUPING = r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)"
SUFFIXES = ("_bucket", "_sum", "_count")


def metrics(expression):
    """Returns the names of the metrics in an expression."""
    text = re.sub(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])*\'', '""', expression)
    text = re.sub(r"\{[^{}]*\}", " ", text)
    text = re.sub(r"\[[^\]]*\]", " ", text)
    text = re.sub(GROUPING, " ", text)
    text = re.sub(r"\boffset\s+-?\w+", " ", text)
    # A name before a parenthesis is a function or an aggregation, whose grouping is already removed.
    text = re.sub(r"[a-zA-Z_:][\w:]*\s*\(", " ( ", text)
    names = set(re.findall(r"(?<![\w.$])[a-zA-Z_:][\w:]*", text))
    return {name for name in names if name.lower() not in WORDS}


def families(exposition):
    """Returns the names of the time series in a text of Prometheus metrics."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", exposition, re.MULTILINE):
        names |= {name + suffix for suffix in SUFFIXES} if kind == "histogram" else {name}
    return names
