"""Puts what a command made between the markers of a Markdown file, or demands that it is there."""

import re
import sys
from pathlib import Path


def splice(file: Path, parts: dict[str, str], arguments: list[str], command: str) -> int:
    """Prints the parts; with `--write` puts each between its markers; with `--check` fails where another is there."""
    if not arguments:
        print("\n".join(parts.values()), end="")
        return 0
    text = file.read_text()
    wanted = text
    for name, part in parts.items():
        pattern = re.compile(rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->\n)", re.DOTALL)
        if not pattern.search(wanted):
            print(f"{file.name} has no markers `{name}:begin` and `{name}:end`", file=sys.stderr)
            return 1
        wanted = pattern.sub(lambda match: match[1] + part + match[2], wanted)
    if arguments == ["--write"]:
        file.write_text(wanted)
        return 0
    if wanted != text:
        print(f"infra: README.md is out of date: `{command}` writes it anew", file=sys.stderr)
        return 1
    return 0
