"""Compares what a command printed with what the document shows.

A `json` block shows the last JSON value that was printed: the same keys, types and words; numbers may differ. `...`
stands for further keys or items, or for any text. Each line of a `text` block must have been printed, in that order; numbers may differ.
"""

import json
import re

NUMBER = re.compile(r"[-+]?\d+(?:[.,:]\d+)*(?:[eE][-+]?\d+)?")
IN_OBJECT = re.compile(r"([{,]\s*)\.\.\.(\s*\})")
IN_ARRAY = re.compile(r"([\[,]\s*)\.\.\.(\s*\])")
MORE = "..."


def fault(block, output):
    """How an output differs from the block that shows it; none where it does not."""
    if block.language == "json":
        shown = IN_ARRAY.sub(r'\1"..."\2', IN_OBJECT.sub(r'\1"...":"..."\2', block.text))
        printed = last_json(output)
        return "printed no JSON" if printed is None else json_fault(json.loads(shown), printed, "$")
    return text_fault(block.text, output)


def last_json(text):
    """The last JSON object or array of a text."""
    decoder, found, at = json.JSONDecoder(), None, 0
    while match := re.compile(r"[{\[]").search(text, at):
        try:
            found, at = decoder.raw_decode(text, match.start())
        except ValueError:
            at = match.start() + 1
    return found


def json_fault(shown, printed, at):
    """Where two JSON values differ; none where they do not."""
    if isinstance(shown, dict) and isinstance(printed, dict):
        missing = shown.keys() - printed.keys() - {MORE}
        further = set() if MORE in shown else printed.keys() - shown.keys()
        if missing or further:
            return f"{at}: not printed: {sorted(missing)}; not shown: {sorted(further)}"
        faults = (json_fault(value, printed[name], f"{at}.{name}") for name, value in shown.items() if name != MORE)
        return next(filter(None, faults), None)
    if isinstance(shown, list) and isinstance(printed, list):
        items = [item for item in shown if item != MORE]
        if len(items) > len(printed) or (len(items) == len(shown) and len(items) != len(printed)):
            return f"{at}: {len(printed)} items printed"
        faults = (json_fault(item, printed[i], f"{at}[{i}]") for i, item in enumerate(items))
        return next(filter(None, faults), None)
    if shown != MORE and plain(shown) != plain(printed):
        return f"{at}: shown {shown!r}, printed {printed!r}"
    return None


def plain(value):
    """A scalar without its numbers."""
    if isinstance(value, str):
        return normal(value)
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else value


def normal(text):
    """A text without its numbers and repeated white space."""
    return re.sub(r"\s+", " ", NUMBER.sub("0", text)).strip()


def text_fault(shown, printed):
    """The first line that was not printed after those before it; none where all were."""
    lines = iter([normal(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in printed.splitlines()])
    for line in filter(None, map(normal, shown.splitlines())):
        if line != MORE and line not in lines:
            return f"not printed, or earlier: {line}"
    return None
