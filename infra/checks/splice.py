"""Writes generated text between the markers of a Markdown file, or checks that it is up to date."""

import re
import sys
from pathlib import Path


def splice(file: Path, parts: dict[str, str], arguments: list[str], command: str) -> int:
    """Prints the parts; with `--write` writes each between its markers; with `--check` fails if one differs."""
    if not arguments:
        print("\n".join(parts.values()), end="")
        return 0
    text = file.read_text()
    expected = text
    for name, part in parts.items():
        pattern = re.compile(rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->\n)", re.DOTALL)
        if not pattern.search(expected):
            print(f"{file.name} has no markers `{name}:begin` and `{name}:end`", file=sys.stderr)
            return 1
        expected = pattern.sub(lambda match: match[1] + part + match[2], expected)
    if arguments == ["--write"]:
        file.write_text(expected)
        return 0
    if expected != text:
        print(f"infra: README.md is out of date: `{command}` updates it", file=sys.stderr)
        return 1
    return 0
