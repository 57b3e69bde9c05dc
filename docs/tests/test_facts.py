"""Facts that a document repeats are those of the place they come from: numbers, names of tests, files."""

import json
import re
import subprocess

import markdown

DOCS = markdown.ROOT / "docs"


def section(path, heading):
    """The text of a section, up to the next heading of its level."""
    text = path.read_text()
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def test_numbers_of_the_readme_are_those_of_the_page_it_links_to():
    rows = [row.split("|")[1:4] for row in section(markdown.ROOT / "README.md", "How well").splitlines() if row.startswith("| ")]
    assert len(rows) == 4
    for claim, meaning, _ in rows[1:]:
        page = re.search(r"\]\(([^)#]+)", meaning)[1]
        text = (markdown.ROOT / page).read_text()
        decimals = re.findall(r"\d[\d,]*\.\d+|\d{1,3}(?:,\d{3})+", claim + meaning)
        assert decimals, claim
        # `100,000 samples an hour` is the heading of a column, written as such.
        missing = [number for number in decimals if number not in text]
        assert missing == [], f"{page} has no {missing}"
    caught = re.search(r"(\d+) of (\d+) anomalies", rows[1][0])
    assert f"| {caught[1]}/{caught[2]} |" in (DOCS / "quality.md").read_text()


def test_every_promise_names_tests_that_exist():
    sources = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "functions"], cwd=markdown.ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout.split()
    tests = "\n".join((markdown.ROOT / name).read_text() for name in sources if "/tests/" in name and name.endswith(".rs") and (markdown.ROOT / name).exists())
    promises = section(DOCS / "reliability.md", "Promises")
    named = re.findall(r"`chaos::\w+::(\w+)`", promises)
    assert len(named) > 15
    assert [name for name in named if f"fn {name}()" not in tests] == []
    files = re.findall(r"`([\w./-]+\.(?:rs|sh))`", promises)
    assert len(files) > 5
    assert [name for name in files if not any((markdown.ROOT / folder / name).exists() for folder in ("", "functions", "functions/shared"))] == []


def test_every_path_in_the_documents_exists():
    """Names of files in code font, where they begin with a folder of the repository."""
    folders = sorted(path.name for path in markdown.ROOT.iterdir() if path.is_dir() and not path.name.startswith(".") and path.name not in ("target", "reports"))
    pattern = re.compile(rf"`((?:{'|'.join(folders)})/[\w./-]+)`")
    missing = []
    for path in [markdown.ROOT / "README.md", markdown.ROOT / ".github/CONTRIBUTING.md", *DOCS.rglob("*.md")]:
        for name in pattern.findall(path.read_text()):
            if not (markdown.ROOT / name).exists():
                missing.append(f"{path.name}: {name}")
    assert missing == []


def test_every_script_of_redis_is_described():
    named = set(re.findall(r"`(\w+\.lua)`", section(DOCS / "storage.md", "Scripts")))
    assert named == {path.name for path in (markdown.ROOT / "functions/shared/store/src/redis").rglob("*.lua")}


def test_every_metric_is_described():
    declared = (markdown.ROOT / "functions/shared/service/src/metrics/name.rs").read_text()
    names = re.findall(r'\b(?:COUNTER|GAUGE|HISTOGRAM) "([a-z_]+)"', declared)
    assert len(names) > 15
    described = section(DOCS / "operating.md", "Metrics")
    assert [name for name in names if not re.search(rf"`{name}\b", described)] == []


def test_every_key_of_redis_is_described():
    sources = (markdown.ROOT / "functions/shared/store/src").rglob("*.rs")
    named = {name for path in sources for name in re.findall(r'"tm:\{+\w+\}+:(\w+)', path.read_text())}
    assert len(named) > 8
    described = (DOCS / "storage.md").read_text()
    assert [name for name in sorted(named) if not re.search(rf"`tm:\{{[<>\w]+\}}:{name}\b", described)] == []


def test_the_way_of_a_sample_is_short_and_its_types_exist():
    way = section(DOCS / "architecture.md", "The life of a sample")
    files = set(re.findall(r"\]\((\.\./functions[^)]+)\)", way.split("| answer |")[0]))
    assert f"That is {len(files)} files" in way and len(files) <= 25
    types = way.split("eight types on its way:")[1].split("\n\n")[0]
    sources = "\n".join(path.read_text() for path in (markdown.ROOT / "functions/shared").rglob("src/**/*.rs"))
    named = re.findall(r"`(\w+)`", types)
    assert len(named) == 8
    assert [name for name in named if not re.search(rf"\b(?:struct|enum) {name}\b", sources)] == []


def test_every_crate_is_described():
    described = set(re.findall(r"^\| `(\w+)` \|", section(DOCS / "architecture.md", "Overview"), re.MULTILINE))
    crates = {path.parent.name for path in (markdown.ROOT / "functions/shared").glob("*/Cargo.toml")}
    assert described == crates | {"evaluator", "page"}


def test_the_api_gateway_has_the_routes_that_need_a_key():
    document = json.loads((markdown.ROOT / "functions/shared/server/src/openapi.json").read_text())
    with_key = {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if isinstance(operation, dict) and operation.get("security")
    }
    gateway = re.findall(r'^    "([A-Z]+ /\S*)"\s+= "\w+"$', (markdown.ROOT / "infra/modules/api/main.tf").read_text(), re.MULTILINE)
    # The schedule invokes the function for a sweep, and the document of the API needs no key.
    assert set(gateway) == with_key - {"POST /sweep"} | {"GET /openapi.json"}
