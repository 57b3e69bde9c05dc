"""Every relative link in every document leads to a file, and every anchor to a heading."""

import pytest

import markdown


def faults(path):
    """The links of a document that lead nowhere."""
    for line, target in markdown.links(path):
        if ":" in target.split("/")[0]:
            continue  # Another site: no network here.
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        at = f"{path.relative_to(markdown.ROOT)}:{line}: {target}"
        if not file.is_relative_to(markdown.ROOT) or not file.exists():
            yield f"{at}: no such file"
        elif anchor and file.suffix == ".md" and anchor not in markdown.anchors(file):
            yield f"{at}: no such heading"


@pytest.mark.parametrize("path", markdown.documents(), ids=lambda path: str(path.relative_to(markdown.ROOT)))
def test_links_resolve(path):
    assert list(faults(path)) == []


def test_a_broken_link_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(markdown, "ROOT", tmp_path)
    path = tmp_path / "a.md"
    path.write_text("# One `x`, two\n\n[a](b.md) [b](#two) [c](#one-x-two) [d](a.md#one-x-two) `[e](f.md)` [g](https://example.com/h)\n")
    assert list(faults(path)) == ["a.md:3: b.md: no such file", "a.md:3: #two: no such heading"]


def test_every_page_is_reached_from_the_readme():
    reached, waiting = set(), [markdown.ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        targets = (target.partition("#")[0] for _, target in markdown.links(path))
        waiting += [(path.parent / target).resolve() for target in targets if target.endswith(".md") and ":" not in target]
    pages = {path for path in markdown.documents() if path.is_relative_to(markdown.ROOT / "docs")}
    assert sorted(str(path) for path in pages - reached) == []


def test_the_readme_is_read_in_one_sitting():
    assert len((markdown.ROOT / "README.md").read_text().splitlines()) <= 150
