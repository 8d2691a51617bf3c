"""YAML is read as written, strictly, and every value knows its line."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience_assets.project.yaml_text import dotted, parse_documents, read_documents

TEXT = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufeff\u2028\u2029\x85"))
DATA = st.recursive(
    TEXT | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def parse(text: str) -> Any:
    documents, problems = parse_documents(text, "x.yaml")
    assert problems == []
    return documents[0].data


def refused(text: str) -> list[str]:
    _, problems = parse_documents(text, "x.yaml")
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    "written",
    ["NO", "yes", "on", "0123", "3.10", "2026-01-01", "77", "0x1F", "1_000", "1e3", ".5", "12:30:00", "=", "<<x"],
)
def test_a_plain_scalar_is_the_text_that_is_written(written: str) -> None:
    assert parse(f"value: {written}") == {"value": written}
    assert parse(f"{written}: value") == {written: "value"}
    assert parse(f"[{written}, '{written}', \"{written}\"]") == [written] * 3


@pytest.mark.parametrize("written", ["", "~", "null", "Null", "NULL"])
def test_only_null_is_nothing_and_in_quotes_it_is_text(written: str) -> None:
    assert parse(f"value: {written}") == {"value": None}
    assert parse(f"value: '{written}'") == {"value": written}


@given(DATA)
def test_any_json_text_reads_as_what_it_is(data: Any) -> None:
    assert parse(json.dumps({"data": data}, ensure_ascii=False)) == {"data": data}


def test_positions_are_those_of_keys_and_items() -> None:
    documents, _ = parse_documents("a:\n  b: [x,\n      y]\n---\nc: 1\n", "x.yaml")
    first, second = documents
    assert first.positions[("a",)] == (1, 1)
    assert first.positions[("a", "b")] == (2, 3)
    assert first.positions[("a", "b", 1)] == (3, 7)
    assert second.positions[("c",)] == (5, 1)
    assert first.line(("a", "b", "missing", "too")) == 2


def test_anchors_and_merged_maps_are_understood() -> None:
    text = "base: &base {a: 1, b: 2}\nuses: *base\nmerged: {<<: *base, b: 3}\nboth: {<<: [*base, {c: 4}]}\n"
    data = parse(text)
    assert data["uses"] == {"a": "1", "b": "2"}
    assert data["merged"] == {"a": "1", "b": "3"}
    assert data["both"] == {"a": "1", "b": "2", "c": "4"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3: a: the key 'a' stands twice, first on line 1"),
        ("a:\n  - {b: 1, b: 2}\n", "x.yaml:2: a[0].b: the key 'b' stands twice, first on line 2"),
        ("'1': x\n1: y\n", "x.yaml:2: 1: the key '1' stands twice, first on line 1"),
        ("a:\n\tb: 1\n", "x.yaml:2: a tab can't indent YAML (use spaces)"),
        ("a: &x [*x]\n", "x.yaml:1: a[0]: an anchor contains itself"),
        ("a: &x {<<: *x}\n", "x.yaml:1: a: `<<` takes over the keys of another map; this is none"),
        ("a: !secret b\n", "x.yaml:1: a: the tag !secret means nothing here (write the value without a tag)"),
        ("? [a, b]\n: c\n", "x.yaml:1: a key must be text"),
        ("~: c\n", "x.yaml:1: a key must be text"),
        ("a: *b\n", "x.yaml:1: not valid YAML: found undefined alias 'b'"),
        ("a: b\n\x07: c\n", "x.yaml:2: YAML can't hold the character U+0007"),
        ('a: "b\\0c"\n', "x.yaml:1: a: no warehouse and no vendor holds the character U+0000"),
    ],
)
def test_what_strict_reading_refuses(text: str, said: str) -> None:
    assert refused(text) == [said]


def test_python_objects_are_not_made() -> None:
    [said] = refused("a: !!python/object/apply:os.system [ls]\n")
    assert "means nothing here" in said


def test_documents_before_a_syntax_error_are_kept() -> None:
    documents, problems = parse_documents("a: 1\n---\nb: [\n", "x.yaml")
    assert [document.data for document in documents] == [{"a": "1"}]
    assert len(problems) == 1


def test_anchors_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    [said] = refused("\n".join(lines))
    assert "grows beyond 200000 values" in said


@pytest.mark.parametrize("deep", [100, 5000])
def test_deep_nesting_is_a_problem_and_no_crash(deep: int) -> None:
    assert "nested more than 60 levels deep" in refused("[" * deep + "]" * deep)[0]


def test_a_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"a: 1\nb: caf\xe9\n")
    _, problems = read_documents(path, "x.yaml")
    assert [str(problem) for problem in problems] == ["x.yaml:2: the file is not UTF-8 text"]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: NO\r\n")
    documents, problems = read_documents(path, "x.yaml")
    assert problems == []
    assert documents[0].data == {"a": "1", "b": "NO"}
    assert documents[0].positions[("b",)] == (2, 1)


def test_paths_are_written_with_dots_and_indexes() -> None:
    assert dotted(("where", "all", 0, "op")) == "where.all[0].op"
    assert dotted(()) == ""


@given(st.text(string.printable, max_size=60))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    documents, problems = parse_documents(text, "x.yaml")
    assert all(problem.line >= 1 for problem in problems)
    assert all(document.positions for document in documents)
