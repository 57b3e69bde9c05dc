"""Tests of the checks in this folder: `python3 -m unittest discover --pattern tests.py .config/lint`."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
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
        self.assertEqual([(5, "word", "`quiet`")], problems(path="x.md", text="`quiet`\n```sh\nrun --quiet\n```\nA quiet day.\n"))

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


if __name__ == "__main__":
    unittest.main()
