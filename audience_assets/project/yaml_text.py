"""YAML read as written: every plain scalar is text, and every node keeps its line.

YAML 1.1 turns `NO` into false, `0123` into 83 and `3.10` into 3.1. Here only null (`~`, `null` or nothing) is special;
what a value means is decided later by the type declared for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from audience_assets.errors import Problem

KeyPath = tuple[str | int, ...]

NULLS = ("", "~", "null", "Null", "NULL")
_STANDARD_TAG = "tag:yaml.org,2002:"
_KNOWN_TAGS = frozenset(
    _STANDARD_TAG + name
    for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value", "seq", "map")
)
# Aliases of aliases grow without bound; no project comes near these.
MOST_NODES = 200_000
DEEPEST = 60


@dataclass(frozen=True)
class Document:
    """One YAML document: its data and the (line, column) of every path, counted from 1.

    A map's entry stands where its key does.
    """

    file: str
    data: Any
    positions: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)

    def line(self, path: KeyPath) -> int:
        """Line of a path, or of the nearest parent that is there."""
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path, (1, 1))[0]


class _Reader(yaml.SafeLoader):
    """Composes nodes; nothing is constructed from them by PyYAML."""


def read_documents(path: Path, file: str) -> tuple[list[Document], list[Problem]]:
    """The documents of a file, and what is wrong with its syntax. `file` is the name used in problems."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        return [], [Problem(file, line, "", "the file is not UTF-8 text")]
    except OSError as error:
        return [], [Problem(file, 1, "", f"the file can't be read: {error.strerror}")]
    return parse_documents(text, file)


def parse_documents(text: str, file: str) -> tuple[list[Document], list[Problem]]:
    """The documents of a YAML text. After a syntax error only the documents before it are returned."""
    documents: list[Document] = []
    problems: list[Problem] = []
    try:
        reader = _Reader(text)
        while reader.check_node():
            node = reader.get_node()
            if node is not None:
                documents.append(_Converter(file, problems).document(node))
    except yaml.MarkedYAMLError as error:
        problems.append(_syntax_problem(error, file))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problems.append(Problem(file, line, "", f"YAML can't hold the character U+{ord(text[error.position]):04X}"))
    except RecursionError:
        problems.append(Problem(file, 1, "", f"the file is nested more than {DEEPEST} levels deep"))
    return documents, problems


def _syntax_problem(error: yaml.MarkedYAMLError, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    what = error.problem or error.context or "not YAML"
    if "'\\t'" in what:
        return Problem(file, line, "", "a tab can't indent YAML", "use spaces")
    message = f"not valid YAML: {what}"
    if error.context and error.context_mark and error.context_mark.line + 1 != line:
        message += f", {error.context} that began on line {error.context_mark.line + 1}"
    hint = "put text that holds ': ' or starts with a special character in quotes" if "mapping values" in what else None
    return Problem(file, line, "", message, hint)


class _Converter:
    """Turns one document's nodes into data and positions, reporting what strict reading refuses."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        self.positions: dict[KeyPath, tuple[int, int]] = {}
        self.nodes = 0
        self.open: set[int] = set()

    def document(self, node: Node) -> Document:
        return Document(self.file, self._value(node, ()), self.positions)

    def _report(self, node: Node, path: KeyPath, message: str, hint: str | None = None) -> None:
        line = node.start_mark.line + 1
        self.problems.append(Problem(self.file, line, dotted(path), message, hint))

    def _value(self, node: Node, path: KeyPath) -> Any:
        self.nodes += 1
        self.positions.setdefault(path, _position(node))
        if self.nodes > MOST_NODES:
            if self.nodes == MOST_NODES + 1:
                self._report(node, path, f"the file grows beyond {MOST_NODES} values: its anchors repeat each other")
            return None
        if id(node) in self.open:
            self._report(node, path, "an anchor contains itself")
            return None
        if len(path) > DEEPEST:
            self._report(node, path, f"nested more than {DEEPEST} levels deep")
            return None
        if isinstance(node, ScalarNode) and "\0" in node.value:
            self._report(node, path, "no warehouse and no vendor holds the character U+0000")
        if node.tag not in _KNOWN_TAGS:
            self._report(node, path, f"the tag {node.tag} means nothing here", "write the value without a tag")
        self.open.add(id(node))
        try:
            return self._convert(node, path)
        finally:
            self.open.discard(id(node))

    def _convert(self, node: Node, path: KeyPath) -> Any:
        if isinstance(node, ScalarNode):
            return None if node.style is None and node.value in NULLS else node.value
        if isinstance(node, SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, MappingNode)  # noqa: S101 - YAML has these three kinds of node only
        return self._map(node, path)

    def _map(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: list[Node] = []
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            if key == "<<" and key_node.style is None:
                merged.append(value_node)
                continue
            if key in lines:
                self._report(key_node, (*path, key), f"the key {key!r} stands twice, first on line {lines[key]}")
                continue
            lines[key] = key_node.start_mark.line + 1
            self._entry(key_node, value_node, path, result)
        for value_node in merged:
            self._merge(value_node, path, result)
        return result

    def _entry(self, key_node: ScalarNode, value_node: Node, path: KeyPath, result: dict[str, Any]) -> None:
        key = str(key_node.value)
        self.positions[(*path, key)] = _position(key_node)
        result[key] = self._value(value_node, (*path, key))

    def _merge(self, node: Node, path: KeyPath, result: dict[str, Any]) -> None:
        """`<<: *anchor` adds the keys that are not there yet, with the anchor's lines."""
        for source in node.value if isinstance(node, SequenceNode) else [node]:
            if not isinstance(source, MappingNode) or id(source) in self.open:
                self._report(source, path, "`<<` takes over the keys of another map; this is none")
                continue
            for key_node, value_node in source.value:
                key = self._key(key_node, path)
                if key is not None and key not in result:
                    self._entry(key_node, value_node, path, result)

    def _key(self, node: Node, path: KeyPath) -> str | None:
        if isinstance(node, ScalarNode) and not (node.style is None and node.value in NULLS):
            return str(node.value)
        self._report(node, path, "a key must be text")
        return None


def _position(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def dotted(path: KeyPath) -> str:
    """`("where", "all", 0, "op")` as `where.all[0].op`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
