#!/usr/bin/env python3
"""Checks that comments, messages, names and documents are plain technical English.

words.py [PATH ...]     checks the files under these paths, by default all files of the repository
words.py --areas        prints the number of findings of each folder and kind instead

Prints `file:line: problem: what to write instead` for each finding, and fails on any:
- opening: a header or doc comment that begins with one of What, Who, Whether, How, Of, It, That has no subject.
- name: a type name that is defined twice outside tests, or that says nothing of its content.
- word: a metaphor, or a word of this project's own where the field has a term.
- length: a file of more than 400 lines (tests 600) whose header does not name that number and the reason.
"""

import argparse
import collections
import pathlib
import re
import subprocess
import sys
from typing import NamedTuple

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import rust

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINES_MAX, TEST_LINES_MAX = 400, 600

# Type names that two crates may define, each with the reason; at most ten.
SAME_NAMES = {}

OPENING = re.compile(r"(What|Who|Whether|How|Of|It|That)\b")
EMPTY_NAMES = "Held Said Told Begun Fate Inner Shared Known Place".split()
TYPE = re.compile(r"^(?:pub(?:\([^)]*\))? )?(?:struct|enum|trait|union|type) (\w+)|^ +(?:pub(?:\([^)]*\))? )?(?:struct|enum|trait|union) (\w+)", re.MULTILINE)
FUNCTION = re.compile(r"\bfn (\w+)")
IT = re.compile(r"\|(?:[^|\n]*\W)?it(?:\W[^|\n]*)?\|")
PYTHON_IT = re.compile(r"\b(?:lambda it\b|for it in\b)")
WHO = re.compile(r"\b[Ww]hom?\b")

# Retired words as regular expressions over whole words, and what to write instead.
RETIRED = {
    r"tells?|told|telling": "report, return, send, notify; `distinguish` for telling apart",
    r"says?|said|saying": "report, return, print, state, specify",
    r"hears?|heard": "receive, be notified",
    r"speaks?|spoke|spoken|talks?": "report, alert, send",
    r"voices?|deaf|restless": "threshold factor, adaptive threshold",
    r"quiet(?:er|est|ly)?": "idle, without alerts, without traffic",
    r"whoever|somebody|someone|nobody|anybody|everybody": "the component or the role by its name; `no caller`, `any client`",
    r"dawdl\w*": "slow, delayed",
    r"sits|lives|lived|dwells?": "is stored in, is defined in, runs in",
    r"dies|died|dying": "exits, fails, is killed",
    r"gone": "removed, missing, closed, lost",
    r"ancestors?|descends?": "rolling z-score",
    r"heat|hotter": "decayed score",
    r"heads": "signals",
    r"mute|mutes|muted|muting": "maintenance window, suppressed",
    r"spots?": "seasonal bucket, position",
    r"news": "change, new anomaly, new samples",
    r"looks?(?! (?:up|like)\b)|looked(?! up\b)|looking(?! up\b)": "read, check, query, inspect",
    r"at hand": "available, in memory",
    r"remembers?|remembered|remembering": "store, cache, record",
    r"reckon(?:s|ed|ing)?": "calculate, estimate",
    r"anew": "again",
    r"strangers?": "unauthenticated caller",
    r"(?:is|are|was|were) wanted": "expected, required",
    r"does not hold where|of what|of whom|to whom": "two sentences, or the thing by its name",
    r"so long as|in vain|for good|goes on|go on|went on": "while; without effect; permanently; continues",
    r"mend(?:s|ed|ing)?": "repair, fix",
    r"begets?|slumbers?|asleep|hushed?|whispers?|silent for good": "the technical term",
    r"another one": "the thing by its name: `another request`",
}
WORDS = re.compile("|".join(rf"(?P<w{n}>(?<![-\w])(?:{pattern})\b)" for n, pattern in enumerate(RETIRED)), re.IGNORECASE)
INSTEAD = list(RETIRED.values())

# Data, texts of others, generated texts whose source is checked, and this check.
SKIPPED = re.compile(
    r"(^|/)(LICENSE|vendor/)|^(Cargo\.lock|events/|functions/fuzz/corpus/|evaluator/records/|\.config/lint/)|package-lock\.json$"
    r"|\.(snap|csv|gz|zst|zip|pem|ndjson|svg|png|prom)$|/tests/(data|files|golden)/"
)
DATA = re.compile(r"\.json$")
PROSE = re.compile(r'"(?:title|description|summary|text|legendFormat)": "([^"]*)"')
# Code, and tables that commands write, whose words are those of scenarios, series and checked sources.
CODE_IN_PROSE = re.compile(r"^```.*?^```|`[^`]*`|<!-- [^>]*\bbegin\b[^>]*-->.*?<!-- [^>]*\bend\b[^>]*-->", re.MULTILINE | re.DOTALL)


class Finding(NamedTuple):
    path: str
    line: int
    kind: str
    problem: str
    instead: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.kind}: {self.problem}: {self.instead}"


def words_of(path, line, text):
    """Yields retired words in a text that begins at this line; backticks enclose code."""
    text = CODE_IN_PROSE.sub(lambda match: rust.blank(match.group()), text)
    for match in WORDS.finditer(text):
        if match.group() == "quiet" and path.endswith(".sh"):
            continue  # The name of a scenario.
        instead = INSTEAD[int(match.lastgroup[1:])]
        yield Finding(path, line + text.count("\n", 0, match.start()), "word", f"`{match.group()}`", f"write {instead}")


def function_names(code):
    """Yields names of functions as text, since the names of tests are sentences."""
    for match in FUNCTION.finditer(code):
        yield code.count("\n", 0, match.start()) + 1, match[1].replace("_", " ")


def rust_findings(path, text):
    source = rust.split(text)
    for line, block in rust.doc_blocks(source.comments):
        if match := OPENING.match(block):
            yield Finding(path, line, "opening", f"begins with `{match[1]}`", "name the thing, then what it does")
    for line, part in source.comments + source.strings:
        yield from words_of(path, line, part)
    for line, part in source.comments:
        for match in WHO.finditer(part):
            yield Finding(path, line, "word", f"`{match.group()}`", "name the component; a program is `that` or `which`")
    for line, name in function_names(source.code):
        yield from words_of(path, line, name)
    for match in IT.finditer(source.code):
        line = source.code.count("\n", 0, match.start()) + 1
        yield Finding(path, line, "name", "closure argument `it`", "name what it is")


def type_names(path, text):
    """Yields the types that a file defines outside tests, with their lines."""
    if rust.is_test(path):
        return
    code = rust.without_tests(rust.split(text).code)
    for match in TYPE.finditer(code):
        yield match[1] or match[2], code.count("\n", 0, match.start()) + 1


def name_findings(definitions):
    """Yields findings on type names, from a dictionary of names to positions."""
    for name, positions in sorted(definitions.items()):
        path, line = positions[0]
        if name in EMPTY_NAMES:
            yield Finding(path, line, "name", f"type `{name}`", "name the content: `JudgedSeries`, `AppendOutcome`")
        elif len(positions) > 1 and name not in SAME_NAMES:
            others = ", ".join(f"{path}:{line}" for path, line in positions[1:])
            yield Finding(path, line, "name", f"type `{name}` is also defined in {others}", "one name for one type")
    for name in SAME_NAMES:
        if len(definitions.get(name, [])) < 2:
            yield Finding(".config/lint/words.py", 1, "name", f"`{name}` is not defined twice", "remove it from SAME_NAMES")


def header(text):
    """Returns the comment or string that a file begins with."""
    if match := re.match(r'(#![^\n]*\n)?\s*"""(.*?)"""', text, re.DOTALL):
        return match[2]
    lines = []
    for line in text.splitlines():
        if not re.match(r"\s*(//|#|--|/?\*)", line):
            break
        lines.append(line)
    return "\n".join(lines)


def length_findings(path, text):
    n_lines = text.count("\n")
    most = TEST_LINES_MAX if rust.is_test(path) else LINES_MAX
    if n_lines > most and not re.search(rf"\b{most} lines\b", header(text)):
        yield Finding(path, n_lines, "length", f"{n_lines} lines", f"split it, or state in the header why it needs more than {most} lines")


def text_findings(path, text):
    if DATA.search(path):
        for match in PROSE.finditer(text):
            yield from words_of(path, text.count("\n", 0, match.start()) + 1, match[1])
    else:
        yield from words_of(path, 1, text)
    for match in PYTHON_IT.finditer(text) if path.endswith(".py") else ():
        yield Finding(path, text.count("\n", 0, match.start()) + 1, "name", "argument `it`", "name what it is")


def findings_of(files):
    """Yields all findings in a dictionary of paths to texts."""
    definitions = collections.defaultdict(list)
    for path, text in files.items():
        if path.endswith(".rs"):
            yield from rust_findings(path, text)
            for name, line in type_names(path, text):
                definitions[name].append((path, line))
        else:
            yield from text_findings(path, text)
        if re.search(r"\.(rs|py|sh|lua|js|html|css|tf|hcl)$", path):
            yield from length_findings(path, text)
    yield from name_findings(definitions)


def tracked_files():
    """Returns the texts of the files that git tracks, by their paths."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = {}
    for name in names.split("\0"):
        path = ROOT / name
        if name and path.is_file() and not path.is_symlink() and not SKIPPED.search(name):
            try:
                files[name] = path.read_text()
            except UnicodeDecodeError:
                continue
    return files


def area(path):
    parts = path.split("/")
    n_parts = 3 if path.startswith("functions/shared/") else 2 if parts[0] in ("functions", "evaluator") else 1
    return "/".join(parts[: min(n_parts, len(parts) - 1)]) or parts[0]


def print_areas(findings):
    kinds = ("opening", "name", "word", "length")
    counts = collections.Counter((area(finding.path), finding.kind) for finding in findings)
    print(f"{'':28}" + "".join(f"{kind:>9}" for kind in (*kinds, "all")))
    areas = {name for name, _ in counts}
    rows = [(name, [counts[name, kind] for kind in kinds]) for name in areas]
    rows.append(("all", [sum(row[n] for _, row in rows) for n in range(len(kinds))]))
    for name, row in sorted(rows, key=lambda row: -sum(row[1])):
        print(f"{name:28}" + "".join(f"{n:9}" for n in (*row, sum(row))))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", help="files and folders to report on")
    parser.add_argument("--areas", action="store_true", help="print numbers of findings by folder")
    args = parser.parse_args()
    # All files are read even for one of them: the names of types are those of the workspace.
    findings = [
        finding
        for finding in findings_of(tracked_files())
        if not args.paths or any(finding.path == path or finding.path.startswith(path.rstrip("/") + "/") for path in args.paths)
    ]
    if args.areas:
        print_areas(findings)
    else:
        for finding in sorted(findings):
            print(finding)
        if findings:
            print(f"words: {len(findings)} findings", file=sys.stderr)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
