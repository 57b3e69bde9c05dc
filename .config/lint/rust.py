"""Splits Rust source into code, comments and strings, for the checks beside this file.

This is not a parser: it recognizes comments and literals, all else is code. Removed parts are replaced by spaces, so that
offsets and line numbers are those of the file.
"""

import re
from typing import NamedTuple

TOKENS = re.compile(
    r"""
    (?P<comment> //[^\n]* | /\*(?:[^*]|\*(?!/))*\*/ )
  | (?P<raw> \bb?c?r(?P<hashes>\#*)"(?:.|\n)*?"(?P=hashes) )
  | (?P<string> b?"(?:[^"\\]|\\.|\\\n)*" )
  | (?P<char> b?'(?:[^'\\\n]|\\(?:u\{[0-9a-fA-F]+\}|x[0-9a-fA-F]{2}|.))' )
    """,
    re.VERBOSE,
)
TEST_ONLY = re.compile(r"#\[cfg\(test\)\]")
TEST_PATH = re.compile(r"(^|/)(tests|benches|examples)/|(^|/)tests\.rs$")


class Part(NamedTuple):
    """A comment or a string literal, with its delimiters."""

    line: int
    text: str


class Source(NamedTuple):
    code: str
    comments: list
    strings: list


def blank(text):
    """Replaces all characters except line breaks by spaces."""
    return re.sub(r"[^\n]", " ", text)


def split(text):
    """Splits a file into code with blanked comments and literals, comments, and strings."""
    comments, strings, code, end = [], [], [], 0
    line = 1
    for match in TOKENS.finditer(text):
        code.append(text[end : match.start()])
        line += text.count("\n", end, match.start())
        part = Part(line, match.group())
        if match["comment"]:
            comments.append(part)
        elif not match["char"]:
            strings.append(part)
        code.append(blank(match.group()))
        line += match.group().count("\n")
        end = match.end()
    code.append(text[end:])
    return Source("".join(code), comments, strings)


def block_end(code, start):
    """Returns the offset after the item at `start`, which ends with a `;` or with the brace that closes its first block."""
    depth = 0
    for offset in range(start, len(code)):
        char = code[offset]
        if char in "{([":
            depth += 1
        elif char in "})]":
            depth -= 1
            if depth == 0 and char == "}":
                return offset + 1
        elif char == ";" and depth == 0:
            return offset + 1
    return len(code)


def without_tests(code):
    """Blanks every item under `#[cfg(test)]`."""
    while match := TEST_ONLY.search(code):
        end = block_end(code, match.end())
        code = code[: match.start()] + blank(code[match.start() : end]) + code[end:]
    return code


def is_test(path):
    """Returns whether a path in the repository contains tests only."""
    return bool(TEST_PATH.search(path))


def doc_blocks(comments):
    """Returns doc comments as pairs of first line and text; consecutive lines with the same marker are one comment."""
    blocks = []
    previous = None
    for line, text in comments:
        marker = text[:3]
        if marker not in ("//!", "///") or text.startswith("////"):
            previous = None
            continue
        if previous == (marker, line - 1):
            blocks[-1][1].append(text[3:].strip())
        else:
            blocks.append((line, [text[3:].strip()]))
        previous = (marker, line)
    return [(line, "\n".join(lines)) for line, lines in blocks]
