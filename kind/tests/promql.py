"""Which metrics a PromQL expression asks for: enough of its grammar to hold dashboards and rules against what is exported.

That an expression is well formed is Prometheus' to say; this only finds the names in one.
"""

import re

# Words that are neither functions (a parenthesis follows those) nor metrics.
WORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "inf", "nan"}
WORDS |= {"group_left", "group_right", "start", "end", "atan2"}

GROUPING = r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)"
SUFFIXES = ("_bucket", "_sum", "_count")


def metrics(expression):
    """The names of the metrics in an expression."""
    text = re.sub(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])*\'', '""', expression)
    text = re.sub(r"\{[^{}]*\}", " ", text)
    text = re.sub(r"\[[^\]]*\]", " ", text)
    text = re.sub(GROUPING, " ", text)
    text = re.sub(r"\boffset\s+-?\w+", " ", text)
    # What a parenthesis follows is a function, or an aggregation with its grouping taken out.
    text = re.sub(r"[a-zA-Z_:][\w:]*\s*\(", " ( ", text)
    names = set(re.findall(r"(?<![\w.$])[a-zA-Z_:][\w:]*", text))
    return {it for it in names if it.lower() not in WORDS}


def families(exposition):
    """The names of samples that a text of Prometheus metrics can hold."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", exposition, re.MULTILINE):
        names |= {name + it for it in SUFFIXES} if kind == "histogram" else {name}
    return names
