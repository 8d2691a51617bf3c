"""Iterable's own API description (Swagger 2.0), which lies beside the project and not in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import orjson
import pytest
from jsonschema import Draft4Validator

from audience_assets.sandbox import LoggedRequest

JSON_KINDS = {"integer": r"-?\d+", "boolean": "true|false", "string": ".*"}


class Description:
    """Holds calls and answers against the description; members that it does not know are problems, too."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._definitions = document["definitions"]
        self.operations = {
            (method.upper(), path): operation
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    def operation_of(self, entry: LoggedRequest) -> dict[str, Any]:
        """By method and path, exact paths before patterns."""
        if (entry.method, entry.path) in self.operations:
            found: dict[str, Any] = self.operations[entry.method, entry.path]
            return found
        for (method, path), operation in self.operations.items():
            pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))
            if method == entry.method and re.fullmatch(pattern, entry.path):
                return dict(operation)
        raise LookupError(f"{entry.method} {entry.path} is not described")

    def request_problems(self, entry: LoggedRequest) -> list[str]:
        operation = self.operation_of(entry)
        parameters = {(each["in"], each["name"]): each for each in operation["parameters"]}
        problems = list(self._query_problems(parameters, dict(parse_qsl(entry.query_string, keep_blank_values=True))))
        body = parameters.get(("body", "body"))
        if body is None:
            return problems + (["a body is not described"] if entry.body else [])
        if entry.headers.get("content-type") != "application/json":
            problems.append("the body is not said to be JSON")
        return problems + self._problems(orjson.loads(entry.body or b"null"), body["schema"])

    def _query_problems(self, parameters: Mapping[tuple[str, str], Any], query: Mapping[str, str]) -> Iterator[str]:
        described = {name: each for (where, name), each in parameters.items() if where == "query"}
        for name, value in query.items():
            if name not in described:
                yield f"the parameter {name} is not described"
            elif not re.fullmatch(JSON_KINDS[described[name]["type"]], value):
                yield f"the parameter {name} is no {described[name]['type']}"
        yield from (f"{name} is missing" for name, each in described.items() if each["required"] and name not in query)

    def answer_problems(self, entry: LoggedRequest) -> list[str]:
        told = self.operation_of(entry)["responses"].get(str(entry.status))
        if told is None:
            return [f"status {entry.status} is not described"]
        schema = told.get("schema")
        # Text answers are described as strings; the size is a bare number.
        if schema is None or schema == {"type": "string"}:
            return []
        return self._problems(without_nulls(orjson.loads(entry.answer or b"null")), schema)

    def _problems(self, value: Any, schema: Mapping[str, Any]) -> list[str]:
        validator = Draft4Validator({**schema, "definitions": self._definitions})
        found = [f"{error.json_path}: {error.validator}" for error in validator.iter_errors(value)]
        return found + list(self._unknown(value, schema, "$"))

    def _unknown(self, value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
        """Members that no schema names, where a schema names any."""
        if "$ref" in schema:
            schema = self._definitions[schema["$ref"].rpartition("/")[2]]
        if isinstance(value, list):
            for index, each in enumerate(value):
                yield from self._unknown(each, schema.get("items") or {}, f"{path}[{index}]")
        elif isinstance(value, dict) and schema.get("properties"):
            for name, each in value.items():
                if name not in schema["properties"]:
                    yield f"{path}.{name} is not described"
                else:
                    yield from self._unknown(each, schema["properties"][name], f"{path}.{name}")


def without_nulls(value: Any) -> Any:
    """`params` is null in recorded answers although it is described as an object."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def load_description() -> Description:
    """From the sibling folder `shared`; skips the test where that is absent."""
    for folder in Path(__file__).resolve().parents:
        found = folder.parent / "shared" / "apis" / "iterable.openapi.json"
        if found.is_file():
            return Description(orjson.loads(found.read_bytes()))
    pytest.skip("shared/apis/iterable.openapi.json is not beside the project")
