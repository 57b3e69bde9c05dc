"""Tests of the checks in this folder: `python3 -m unittest discover --pattern tests.py .config/lint`."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import arrows
import rust
import words


def problems(path="a/src/x.rs", text="", **files):
    found = words.findings_of({path: text, **{name.replace("_rs", ".rs"): text for name, text in files.items()}})
    return [(finding.line, finding.kind, finding.problem) for finding in found]


class Split(unittest.TestCase):
    def test_comments_and_literals_are_blanked_and_keep_their_lines(self):
        source = rust.split('let a = "x // \\" y"; // one\nlet b = r#"{ " "#; let c = \'"\';\n/* two\n */ fn f<\'a>() {}')
        self.assertEqual([(1, "// one"), (3, "/* two\n */")], source.comments)
        self.assertEqual([(1, '"x // \\" y"'), (2, 'r#"{ " "#')], source.strings)
        self.assertEqual(3, source.code.count("\n"))
        self.assertIn("fn f<'a>() {}", source.code)

    def test_items_of_tests_are_blanked(self):
        code = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { {} }\n}\n#[cfg(test)]\nuse x::y;\nfn c() {}\n"
        rest = rust.without_tests(code)
        self.assertEqual((True, False, False, True), tuple(name in rest for name in ("fn a", "fn b", "use", "fn c")))
        self.assertEqual(code.count("\n"), rest.count("\n"))


class Openings(unittest.TestCase):
    def test_a_header_or_doc_comment_needs_a_subject(self):
        text = "//! What it does.\n\n/// Returns a.\n/// What follows is one sentence.\nfn a() {}\n/// Whether b.\nfn b() {}\n"
        self.assertEqual([(1, "opening", "begins with `What`"), (6, "opening", "begins with `Whether`")], problems(text=text))

    def test_plain_comments_and_longer_words_are_not_openings(self):
        self.assertEqual([], problems(text="// What follows.\n/// Italic.\n/// Ofttimes.\nfn a() {}\n"))


class Names(unittest.TestCase):
    def test_a_type_is_defined_once(self):
        found = problems(text="struct A;\nenum B {}\n", b_rs="\npub(crate) struct A(u8);\n")
        self.assertEqual([(1, "name", "type `A` is also defined in b.rs:2")], found)

    def test_types_of_tests_and_associated_types_may_repeat(self):
        tests = "#[cfg(test)]\nmod tests {\n    struct A;\n}\nimpl X for Y {\n    type A = u8;\n}\n"
        self.assertEqual([], problems(text="struct A;\n" + tests, b_rs=tests))
        self.assertEqual([], problems(path="a/tests/x.rs", text="struct A;\n", b_rs="struct A;\n"))

    def test_a_type_name_states_its_content(self):
        self.assertEqual([(1, "name", "type `Fate`")], problems(text="pub enum Fate {}\n"))

    def test_closure_arguments_are_named(self):
        self.assertEqual([(1, "name", "closure argument `it`")], problems(text="let a = b.map(|it| it + 1);\n"))
        self.assertEqual([(1, "name", "closure argument `it`")], problems(text="let a = b.map(|(_, it): (u8, u8)| it + 1);\n"))
        self.assertEqual([], problems(text="let a = b.map(|item, limit| item | limit);\n"))
        self.assertEqual([(1, "name", "argument `it`")], problems(path="x.py", text="a = [it for it in b]\n"))


class Words(unittest.TestCase):
    def test_comments_messages_and_names_of_tests_are_read(self):
        text = '// Is told.\nlet a = "b is wanted";\nfn nobody_hears() {}\nlet told = 1;\n'
        expected = [(1, "`told`"), (2, "`is wanted`"), (3, "`nobody`"), (3, "`hears`")]
        self.assertEqual(expected, [(line, problem) for line, _, problem in problems(text=text)])

    def test_a_program_is_no_who_in_rust(self):
        self.assertEqual([(1, "word", "`who`")], problems(text="// A client who asks.\n"))
        self.assertEqual([], problems(path="x.md", text="An engineer who asks.\n"))

    def test_code_in_documents_is_not_prose(self):
        self.assertEqual([(5, "word", "`quiet`")], problems(path="x.md", text="`quiet` --quiet\n```sh\nrun quiet\n```\nA quiet day.\n"))

    def test_generated_tables_are_not_prose(self):
        text = "<!-- a:begin -->\nquiet\n<!-- a:end -->\nquiet\n<!-- load:begin bars -->\ntold\n<!-- load:end bars -->\n"
        self.assertEqual([(4, "word", "`quiet`")], problems(path="x.md", text=text))

    def test_terms_that_resemble_a_retired_word_pass(self):
        self.assertEqual([], problems(path="x.md", text="Looks up a heatmap: it looks like headers, a foretold newspaper.\n"))

    def test_of_json_only_texts_for_people_are_read(self):
        text = '{"title": "What is told",\n "name": "told"}'
        self.assertEqual([(1, "word", "`told`")], problems(path="x.json", text=text))


class Lengths(unittest.TestCase):
    def test_a_long_file_needs_a_reason_in_its_header(self):
        long = "fn a() {}\n" * 401
        self.assertEqual([(401, "length", "401 lines")], problems(text=long))
        self.assertEqual([], problems(text="//! Longer than 400 lines: one table.\n" + long))
        self.assertEqual([], problems(path="a/tests/x.rs", text=long))


def dependencies(**texts):
    """Dependencies between the files of a crate; `a__b` is the file `a/b.rs`."""
    with tempfile.TemporaryDirectory() as folder:
        src = pathlib.Path(folder)
        for name, text in texts.items():
            path = src / (name.replace("__", "/") + ".rs")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        edges = arrows.Crate(src / "lib.rs").dependencies()
        stem = lambda path: str(path.relative_to(src))[:-3]
        return {(stem(source), stem(target)): sorted(names) for (source, target), names in edges.items()}


class Arrows(unittest.TestCase):
    def test_imports_and_paths_are_dependencies_on_the_file_that_defines_the_item(self):
        found = dependencies(
            lib="mod a;\nmod b;\nmod c;\n",
            a="use crate::b::{self, B as Other, inner::{Deep}};\nfn a() { b::run(); super::c::go(); }\n",
            b="mod inner;\npub struct B;\npub fn run() {}\n",
            b__inner="pub struct Deep;\n",
            c="pub fn go() {}\n",
        )
        self.assertEqual({("a", "b"): ["B", "run"], ("a", "b/inner"): ["Deep"], ("a", "c"): ["go"]}, found)

    def test_a_reexport_counts_for_the_file_that_uses_it(self):
        found = dependencies(
            lib="mod a;\nmod b;\npub use crate::a::A;\npub use b::*;\n",
            a="pub struct A;\nuse crate::B;\n",
            b="pub struct B;\nfn b(a: crate::A) {}\n",
        )
        self.assertEqual({("a", "b"): ["B"], ("b", "a"): ["A"]}, found)
        self.assertEqual([{"a", "b"}], arrows.circles(found))

    def test_parents_and_children_are_files_as_well(self):
        found = dependencies(lib="mod a;\n", a="mod b;\npub struct A;\nfn a() { b::run() }\n", a__b="use super::*;\npub fn run() -> A {}\n")
        self.assertEqual({("a", "a/b"): ["run"], ("a/b", "a"): ["A"]}, found)

    def test_comments_and_tests_are_no_dependencies(self):
        a = "/// See [`crate::b::B`].\nstruct A;\n#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}\n"
        self.assertEqual({}, dependencies(lib="mod a;\nmod b;\n", a=a, b="pub struct B;\n"))

    def test_circles_are_found_and_chains_are_not(self):
        self.assertEqual([], arrows.circles({("a", "b"), ("b", "c"), ("a", "c")}))
        self.assertEqual([{"b", "c", "d"}], arrows.circles({("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")}))

    def test_crates_depend_on_what_the_list_allows(self):
        uses = lambda name, kind=None: {"name": name, "kind": kind}
        packages = [
            {"name": "store", "dependencies": [uses("domain"), uses("server"), uses("serde"), uses("fuzz", "dev")]},
            *({"name": name, "dependencies": []} for name in ("domain", "server", "fuzz")),
        ]
        allowed = {"store": ["domain"], "domain": [], "server": [], "fuzz": []}
        self.assertEqual(["crate `store` may not depend on `server`, only on: domain"], list(arrows.crate_findings(packages, allowed)))


if __name__ == "__main__":
    unittest.main()
