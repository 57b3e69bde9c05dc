"""Generates the tables of variables and outputs from `variables.tf` and `outputs.tf`.

    python3 checks/tables.py            prints them
    python3 checks/tables.py --write    writes them into the README of this folder
    python3 checks/tables.py --check    fails if the README has others
"""

import re
import sys
from pathlib import Path

from splice import splice

INFRA = Path(__file__).resolve().parent.parent


def blocks(file: str, kind: str) -> list[tuple[str, str]]:
    """Returns name and text of each block of a kind; in the format of `terraform fmt` a block ends with an unindented brace."""
    found = re.findall(rf'^{kind} "(\w+)" \{{\n(.*?)^\}}\n', (INFRA / file).read_text(), re.DOTALL | re.MULTILINE)
    if not found:
        sys.exit(f"{file} has no block `{kind}`")
    return found


def description(name: str, text: str) -> str:
    heredoc = re.search(r"description = <<-EOT\n(.*?)^\s*EOT$", text, re.DOTALL | re.MULTILINE)
    quoted = re.search(r'description = "((?:[^"\\]|\\.)*)"', text)
    if heredoc:
        shown = " ".join(heredoc[1].split())
    elif quoted:
        shown = quoted[1].replace('\\"', '"')
    else:
        sys.exit(f"`{name}` has no description")
    return shown.replace("|", "\\|")


def fields(text: str) -> list[str]:
    """Returns the attributes of an object type with their defaults."""
    body = re.search(r"^  type = (?:map\()?object\(\{\n(.*?)^  \}\)", text, re.DOTALL | re.MULTILINE)
    if not body:
        return []
    lines = re.findall(r"^    (\w+)\s+= (.*)$", body[1], re.MULTILINE)
    shown = []
    for name, kind in lines:
        default = re.fullmatch(r"optional\((?:object\(.*\)|[\w()]+)(?:, (.*))?\)", kind)
        shown.append(f"{name} = {default[1] or 'null'}" if default else name)
    return shown


def default(text: str) -> str:
    found = re.search(r"^  default\s+= (.*)$", text, re.MULTILINE)
    if not found:
        return "(required)"
    inner = fields(text)
    if inner and found[1] in ("{}", "null"):
        shown = "{ " + ", ".join(inner) + " }"
        return f"`{shown}`" if found[1] == "{}" else f"null, or `{shown}`"
    return f"`{found[1]}`"


def variables() -> str:
    rows = [f"| `{name}` | {description(name, text)} | {default(text)} |" for name, text in blocks("variables.tf", "variable")]
    return "\n".join(["| variable | description | default |", "|---|---|---|", *rows]) + "\n"


def outputs() -> str:
    rows = [f"| `{name}` | {description(name, text)} |" for name, text in blocks("outputs.tf", "output")]
    return "\n".join(["| output | description |", "|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    parts = {"variables": variables(), "outputs": outputs()}
    sys.exit(splice(INFRA / "README.md", parts, sys.argv[1:], "python3 infra/checks/tables.py --write"))
