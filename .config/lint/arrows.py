#!/usr/bin/env python3
"""Checks the direction of dependencies: between crates by an allow-list, between the files of a crate by circles.

arrows.py           checks the workspace; prints each forbidden dependency and each circle, and fails on any
arrows.py --graph   prints the dependencies between files instead, with the names that cause them

A file depends on another one if it names an item that the other defines. A re-export is no dependency; its users depend
on the file of the definition. Tests do not count.
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import rust

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The crates of the workspace that each crate may name outside its tests.
PURE = ["detector", "alert", "domain"]
ALLOWED = {
    "domain": [],
    # When an episode becomes an alert; part of the configuration of a series, which the detector reads.
    "alert": ["domain"],
    "detector": ["alert", "domain"],
    "protocol": PURE,
    "intake": ["protocol", *PURE],
    "store": ["protocol", *PURE],
    # The history implements a port of `store`.
    "aws": ["store", "protocol", *PURE],
    "receiver": ["aws", "alert", "domain"],
    "service": ["intake", "store", "aws", "protocol", *PURE],
    # Its page for people draws charts as the reports do.
    "server": ["service", "domain", "page"],
    "ingest": ["server"],
    # Pass the history to `server`, so that the package of `ingest` does not contain the AWS SDK.
    "analyze": ["server", "aws", "receiver"],
    "standalone": ["server", "aws", "receiver"],
    "page": [],
    "quality": ["page", *PURE],
    "load": ["page", *PURE],
    "evaluator": ["quality", "load", "aws", *PURE],
    # Calls every parser.
    "fuzz": ["server", "service", "intake", "store", "protocol", *PURE],
}

USE = re.compile(r"(?P<public>\bpub(?:\([^)]*\))?\s+)?\buse\s+(?P<tree>[^;]+);")
MOD_FILE = re.compile(r"\bmod\s+(\w+)\s*;")
MOD_INLINE = re.compile(r"\bmod\s+(\w+)\s*\{")
DEFINITION = re.compile(r"\b(?:fn|struct|enum|union|trait|type|const|static|macro_rules!)\s+(?:mut\s+)?(\w+)")
PATH = re.compile(r"(?<![\w:])(\w+)((?:\s*::\s*\w+)+)")


class Module:
    """A module of a crate: a file, or an inline module in the file of its parent."""

    def __init__(self, path, file, code):
        self.path, self.file = path, file
        self.children, self.exports, self.imports, self.globs = {}, {}, {}, []
        code = self.take_inline(code)
        self.code = USE.sub(lambda match: self.take_use(match), code)
        self.definitions = set(DEFINITION.findall(self.code))

    def take_inline(self, code):
        while match := MOD_INLINE.search(code):
            end = rust.block_end(code, match.start())
            self.children[match[1]] = Module((*self.path, match[1]), self.file, code[match.end() : end - 1])
            code = code[: match.start()] + rust.blank(code[match.start() : end]) + code[end:]
        return code

    def take_use(self, match):
        for path, name in leaves(match["tree"]):
            if name == "*":
                self.globs.append((path, bool(match["public"])))
            else:
                self.imports[name] = path
                if match["public"]:
                    self.exports[name] = path
        return rust.blank(match.group())


def leaves(tree, prefix=()):
    """Returns the paths of a `use` tree as pairs of segments and imported name."""
    head, brace, rest = tree.strip().partition("{")
    path, _, name = (part.strip() for part in head.partition(" as "))
    segments = (*prefix, *(segment.strip() for segment in path.split("::") if segment.strip()))
    if brace:
        return [leaf for branch in branches(rest.rstrip()[:-1]) for leaf in leaves(branch, segments)]
    if segments[-1] == "*":
        return [(segments[:-1], "*")]
    if segments[-1] == "self":
        segments = segments[:-1]
    return [(segments, name or segments[-1])]


def branches(text):
    """Splits a text at the commas outside of braces."""
    depth, start, found = 0, 0, []
    for offset, char in enumerate(text + ","):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            if text[start:offset].strip():
                found.append(text[start:offset])
            start = offset + 1
    return found


class Crate:
    """The modules of one library or binary, by their paths."""

    def __init__(self, root, read=lambda path: path.read_text()):
        self.read, self.modules = read, {}
        self.load((), root, root.parent)

    def load(self, path, file, folder):
        code = rust.without_tests(rust.split(self.read(file)).code)
        self.register(Module(path, file, code), folder)

    def register(self, module, folder):
        self.modules[module.path] = module
        for name, child in list(module.children.items()):
            self.register(child, folder / name)
        for match in MOD_FILE.finditer(module.code):
            name = match[1]
            for file in (folder / f"{name}.rs", folder / name / "mod.rs"):
                if file.exists():
                    self.load((*module.path, name), file, folder / name)

    def absolute(self, module, segments):
        """Returns the path from the root of the crate, or `None` for another crate."""
        first, rest = segments[0], list(segments[1:])
        if first == "crate":
            return tuple(rest)
        if first in ("self", "super"):
            base = module.path if first == "self" else module.path[:-1]
            while rest and rest[0] == "super":
                base, rest = base[:-1], rest[1:]
            return (*base, *rest)
        if (*module.path, first) in self.modules:
            return (*module.path, *segments)
        if first in module.imports and module.imports[first] != tuple(segments):
            known = self.absolute(module, module.imports[first])
            return known and (*known, *rest)
        return None

    def resolve(self, path, seen=()):
        """Returns the module that defines the item at a path, and the name of the item, which is `None` for a module."""
        depth = len(path)
        while path[:depth] not in self.modules:
            depth -= 1
        module = self.modules[path[:depth]]
        if depth == len(path):
            return module, None
        name = path[depth]
        if name in module.definitions or (module.path, name) in seen:
            return module, name
        seen = (*seen, (module.path, name))
        if name in module.imports:
            target = self.absolute(module, module.imports[name])
            return self.resolve((*target, *path[depth + 1 :]), seen) if target else (None, name)
        for segments, _ in module.globs:
            target = self.absolute(module, segments)
            if target and target in self.modules:
                found, item = self.resolve((*target, *path[depth:]), seen)
                if found and item in found.definitions:
                    return found, item
        return module, name

    def uses(self, module):
        """Yields the absolute paths of all items of this crate that a module names."""
        for name, segments in module.imports.items():
            if name not in module.exports or re.search(rf"\b{name}\b", module.code):
                yield self.absolute(module, segments)
        for segments, is_public in module.globs:
            target = self.absolute(module, segments)
            if target in self.modules and not is_public:
                source = self.modules[target]
                for name in source.definitions | set(source.imports):
                    if re.search(rf"\b{name}\b", module.code):
                        yield (*target, name)
        for match in PATH.finditer(module.code):
            yield self.absolute(module, (match[1], *re.findall(r"\w+", match[2])))

    def dependencies(self):
        """Returns, by pairs of files, the names in the first file that the second one defines."""
        found = collections.defaultdict(set)
        for module in self.modules.values():
            for path in self.uses(module):
                target, name = self.resolve(path) if path is not None else (None, None)
                if target and name and target.file != module.file:
                    found[module.file, target.file].add(name)
        return found


def circles(edges):
    """Returns the strongly connected components of more than one node (Tarjan, iterative)."""
    following = collections.defaultdict(list)
    for source, target in sorted(edges):
        following[source].append(target)
    index, low, stack, found = {}, {}, [], []
    for root in sorted(following):
        work = [(root, iter(following[root]))] if root not in index else []
        if work:
            index[root] = low[root] = len(index)
            stack.append(root)
        while work:
            node, targets = work[-1]
            for target in targets:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    work.append((target, iter(following[target])))
                    break
                if target in stack:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    group = set(stack[stack.index(node) :])
                    del stack[stack.index(node) :]
                    if len(group) > 1:
                        found.append(group)
    return found


def workspace():
    """Returns the packages of the workspace from `cargo metadata`."""
    command = ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)["packages"]


def crate_findings(packages, allowed):
    """Yields dependencies between crates that the allow-list does not contain."""
    names = {package["name"] for package in packages}
    for package in packages:
        name = package["name"]
        if name not in allowed:
            yield f"crate `{name}` is not in ALLOWED of .config/lint/arrows.py: add what it may depend on"
            continue
        used = {each["name"] for each in package["dependencies"] if each["kind"] != "dev" and each["name"] in names}
        for other in sorted(used - set(allowed[name])):
            yield f"crate `{name}` may not depend on `{other}`, only on: {', '.join(allowed[name]) or 'no other crate'}"


def file_findings(crate, relative):
    """Yields the circles between the files of a crate, with the names that cause them."""
    edges = crate.dependencies()
    for group in circles(edges):
        lines = [
            f"  {relative(source)} -> {relative(target)}: {', '.join(sorted(names))}"
            for (source, target), names in sorted(edges.items())
            if {source, target} <= group
        ]
        yield "\n".join([f"circle of {len(group)} files:", *lines])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graph", action="store_true", help="print all dependencies between files")
    args = parser.parse_args()
    packages = workspace()
    relative = lambda path: path.relative_to(ROOT)
    roots = [
        pathlib.Path(target["src_path"])
        for package in packages
        for target in package["targets"]
        if set(target["kind"]) & {"lib", "rlib", "bin"}
    ]
    crates = [Crate(root) for root in roots]
    if args.graph:
        for crate in crates:
            for (source, target), names in sorted(crate.dependencies().items()):
                print(f"{relative(source)} -> {relative(target)}: {', '.join(sorted(names))}")
        return
    findings = [*crate_findings(packages, ALLOWED), *(text for crate in crates for text in file_findings(crate, relative))]
    for finding in findings:
        print(finding)
    if findings:
        print(f"arrows: {len(findings)} findings", file=sys.stderr)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
