"""Reads Markdown: code blocks with their marks, links, and the anchors of headings."""

import dataclasses
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

FENCE = re.compile(r"^(\s*)(`{3,})(\S*)\s*$")
MARK = re.compile(r"^<!-- (?:not run: (?P<reason>.+)|(?P<background>in the background)) -->$")
GENERATED = re.compile(r"^<!-- \S+:(begin|end)(?: \S+)? -->$")
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)|<(?:img|source)[^>]*\s(?:src|srcset)=\"([^\"]+)\"")


@dataclasses.dataclass(frozen=True)
class Block:
    """One fenced code block."""

    path: pathlib.Path
    line: int
    language: str
    text: str
    is_generated: bool
    not_run: str | None = None
    is_in_background: bool = False

    def __str__(self):
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def documents():
    """Every Markdown file of the repository, in the order of their paths."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE,
    )
    return [ROOT / name for name in sorted(listed.stdout.splitlines()) if (ROOT / name).is_file()]


def blocks(path):
    """The code blocks of a document."""
    found, fence, mark, is_generated, text, start = [], None, None, False, [], 0
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = FENCE.match(line)
        if fence:
            if match and match[2] == fence[2] and not match[3]:
                found.append(_block(path, start, fence[3], "\n".join(text), is_generated, mark))
                fence, mark = None, None
            else:
                text.append(line.removeprefix(fence[1]))
        elif match:
            fence, text, start = match, [], number
        elif generated := GENERATED.match(line):
            is_generated = generated[1] == "begin"
        elif marked := MARK.match(line.strip()):
            mark = marked
        elif line.strip():
            mark = None
    assert fence is None, f"{path}:{start}: the code block has no end"
    return found


def _block(path, line, language, text, is_generated, mark):
    reason = mark["reason"] if mark else None
    is_in_background = bool(mark and mark["background"])
    return Block(path, line, language, text, is_generated, reason, is_in_background)


def prose(path):
    """The lines of a document outside its code blocks, with their numbers; code in a line is blank."""
    fence = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = FENCE.match(line)
        if match and fence is None:
            fence = match[2]
        elif match and match[2] == fence and not match[3]:
            fence = None
        elif fence is None:
            yield number, re.sub(r"`[^`]*`", lambda code: "`" + "x" * (len(code[0]) - 2) + "`", line)


def links(path):
    """The targets of links and images, with their lines."""
    for number, line in prose(path):
        for match in LINK.finditer(line):
            yield number, match[1] or match[2]


def anchors(path):
    """The anchors that GitHub gives the headings of a document."""
    seen, found = {}, set()
    fence = None
    for line in path.read_text().splitlines():
        match = FENCE.match(line)
        if match:
            fence = match[2] if fence is None else None if match[2] == fence else fence
        heading = re.match(r"^#{1,6} (.*?)\s*#*$", line)
        if fence is not None or not heading:
            continue
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
        anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        n = seen.get(anchor, 0)
        seen[anchor] = n + 1
        found.add(anchor if n == 0 else f"{anchor}-{n}")
    return found
