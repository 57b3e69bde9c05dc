"""Every command of the README and of `docs` that can run here runs, and prints what the document shows.

A shell block that cannot run is marked by the line before it: `<!-- not run: REASON -->`, with a reason of
`commands.REASONS`. A block that starts a server is marked `<!-- in the background -->`. Blocks between markers of a
generated table show the command that wrote the table, and are not run either.
"""

import pytest

import commands
import expected
import markdown

PAGES = [markdown.ROOT / "README.md", *(path for path in markdown.documents() if path.is_relative_to(markdown.ROOT / "docs"))]
NAMES = [str(path.relative_to(markdown.ROOT)) for path in PAGES]


@pytest.mark.parametrize("path", [path for path in PAGES if commands.runnable(path)], ids=lambda path: str(path.relative_to(markdown.ROOT)))
def test_commands_run_and_print_what_is_shown(path):
    before = commands.top_level()
    printed = dict(commands.run(path))
    assert commands.top_level() == before, "a command of the document writes into the top folder: expected `reports`"
    all_blocks = markdown.blocks(path)
    for block, following in zip(all_blocks, [*all_blocks[1:], None], strict=True):
        if block not in printed:
            continue
        output = printed[block]
        if following is not None and following.language in ("json", "text") and not following.is_generated:
            fault = expected.fault(following, output)
            assert fault is None, f"{following}: {fault}\n--- printed:\n{output}"
        elif not block.is_in_background:
            assert '"type":"about:blank"' not in output, f"{block}: {output}"


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_a_block_that_does_not_run_has_a_known_reason(path):
    reasons = {block.not_run for block in markdown.blocks(path) if block.not_run}
    assert reasons <= commands.REASONS


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_every_block_names_its_language(path):
    unnamed = [str(block) for block in markdown.blocks(path) if not block.language]
    assert unnamed == [], "`sh` runs, `json` and `text` are compared, `console`, `toml`, `hcl` and the like are only read"


def block(language, text):
    return markdown.Block(markdown.ROOT / "a.md", 1, language, text, False)


@pytest.mark.parametrize(("shown", "printed", "is_same"), [
    ('{"a":1,"b":"x 5"}', 'log\n{"a":2.5,"b":"x 7.5"}', True),
    ('{"a":1}', '{"a":1,"b":2}', False),
    ('{"a":1,...}', '{"a":1,"b":2}', True),
    ('{"a":[{"b":1},...]}', '{"a":[{"b":2},{"c":1}]}', True),
    ('{"a":[{"b":1}]}', '{"a":[{"b":2},{"b":1}]}', False),
    ('{"a":"x"}', '{"a":"y"}', False),
    ('{"a":true}', '{"a":false}', False),
    ('{"a":1}', '{"a":null}', False),
])
def test_json_is_compared_by_keys_types_and_words(shown, printed, is_same):
    assert (expected.fault(block("json", shown), printed) is None) == is_same


def test_lines_are_compared_in_order_and_without_their_numbers():
    assert expected.fault(block("text", "a  1\n...\nb 2"), "x\na 9\ny\nb 0.5\n") is None
    assert expected.fault(block("text", "b 2\na 1"), "a 9\nb 0.5\n") is not None


def test_a_command_that_fails_is_named(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("```sh\necho one\n```\n\n```sh\nfalse\n```\n")
    with pytest.raises(commands.Failed, match="exit code 1"):
        commands.run_blocks([block("sh", "echo one"), block("sh", "false")], {"8080": "1"}, tmp_path)
