"""The few SQL expressions that are written differently by each dialect, as SQLAlchemy constructs.

SQLite, Postgres and DuckDB are executed in our tests; Snowflake, BigQuery and Redshift are compiled and
parsed. A dialect without a rule fails when compiling, by name: a guess could choose other people.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import struct
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

BUCKETS = 10_000
_FIRST_U32: Callable[[bytes], tuple[int, ...]] = struct.Struct(">I12x").unpack
_md5 = hashlib.md5


class TextPosition(FunctionElement[int]):
    """`(text, part)`: where `part` starts in `text`, from 1; 0 when absent. Not LIKE: no wildcards."""

    name = "text_position"
    type = sa.Integer()
    inherit_cache = True


class UnicodeLower(FunctionElement[str]):
    """`(text)`: lower case of any script. SQLite's own lower() knows ASCII only and is left as it is."""

    name = "unicode_lower"
    type = sa.String()
    inherit_cache = True


class FoldedColumn(FunctionElement[str]):
    """`(column)`: as UnicodeLower, and quick where nearly every value is ASCII. It is written more than once."""

    name = "folded_column"
    type = sa.String()
    inherit_cache = True


class Stripped(FunctionElement[str]):
    """`(text, characters)`: the text without any of these characters at its ends."""

    name = "stripped"
    type = sa.String()
    inherit_cache = True


class StartsVisibly(FunctionElement[bool]):
    """`(text)`: the first character is a visible one of ASCII, so that the text is not blank; NULL stays NULL.

    The cheapest look at a text: few values need a closer one.
    """

    name = "starts_visibly"
    type = sa.Boolean()
    inherit_cache = True


class Md5U32(FunctionElement[int]):
    """`(text)`: the first 8 hex digits of the md5 of the UTF-8 text, as an unsigned integer."""

    name = "md5_u32"
    type = sa.BigInteger()
    inherit_cache = True


class ListHas(FunctionElement[bool]):
    """`(list, text)`: the JSON array holds this text."""

    name = "list_has"
    type = sa.Boolean()
    inherit_cache = True


class ListLength(FunctionElement[int]):
    """`(list)`: number of elements of a JSON array; NULL stays NULL."""

    name = "list_length"
    type = sa.Integer()
    inherit_cache = True


class SixDecimals(FunctionElement[float]):
    """`(number)`: rounded, as an 8-byte number."""

    name = "six_decimals"
    type = sa.Double()
    inherit_cache = True


def compile_as(construct: type[FunctionElement[Any]], dialect: str, template: str) -> None:
    """Compile `construct` as `template`, whose {0}, {1} are the arguments."""

    def render(element: FunctionElement[Any], compiler: SQLCompiler, **kw: Any) -> str:
        return template.format(*(compiler.process(clause, **kw) for clause in element.clauses))

    compiles(construct, dialect)(render)


_TEMPLATES: dict[type[FunctionElement[Any]], dict[str, str]] = {
    TextPosition: {
        "sqlite": "instr({0}, {1})",
        "postgresql": "strpos({0}, {1})",
        "duckdb": "strpos({0}, {1})",
        "snowflake": "CHARINDEX({1}, {0})",
        "bigquery": "STRPOS({0}, {1})",
        "redshift": "STRPOS({0}, {1})",
    },
    UnicodeLower: {
        "sqlite": "aa_lower({0})",
        "postgresql": "lower({0})",
        "duckdb": "lower({0})",
        "snowflake": "LOWER({0})",
        "bigquery": "LOWER({0})",
        "redshift": "LOWER({0})",
    },
    FoldedColumn: {
        "sqlite": "CASE WHEN length({0}) = length(CAST({0} AS BLOB)) THEN lower({0}) ELSE aa_lower({0}) END",
        "postgresql": "lower({0})",
        "duckdb": "lower({0})",
        "snowflake": "LOWER({0})",
        "bigquery": "LOWER({0})",
        "redshift": "LOWER({0})",
    },
    Stripped: {
        "sqlite": "trim({0}, {1})",
        "postgresql": "btrim({0}, {1})",
        "duckdb": "trim({0}, {1})",
        "snowflake": "TRIM({0}, {1})",
        "bigquery": "TRIM({0}, {1})",
        "redshift": "BTRIM({0}, {1})",
    },
    # The first and the last visible character of ASCII, in the order of bytes.
    StartsVisibly: {
        "sqlite": "({0} BETWEEN '!' AND '~')",
        "postgresql": "({0} COLLATE \"C\" BETWEEN '!' AND '~')",
        "duckdb": "({0} BETWEEN '!' AND '~')",
        "snowflake": "({0} BETWEEN '!' AND '~')",
        "bigquery": "({0} BETWEEN '!' AND '~')",
        "redshift": "({0} BETWEEN '!' AND '~')",
    },
    Md5U32: {
        "sqlite": "aa_md5_u32({0})",
        "postgresql": "CAST(CAST('x' || substr(md5({0}), 1, 8) AS bit(32)) AS bigint)",
        "duckdb": "CAST('0x' || substr(md5({0}), 1, 8) AS BIGINT)",
        "snowflake": "FLOOR(MD5_NUMBER_UPPER64({0}) / 4294967296)",
        "bigquery": "CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5({0})), 1, 8)) AS INT64)",
        "redshift": "STRTOL(SUBSTRING(MD5({0}), 1, 8), 16)",
    },
    ListHas: {
        "sqlite": "aa_list_has({0}, {1})",
        "postgresql": "(CAST({0} AS jsonb) @> to_jsonb(CAST({1} AS text)))",
        "duckdb": "list_contains(from_json(CAST({0} AS JSON), '[\"VARCHAR\"]'), {1})",
        "snowflake": "ARRAY_CONTAINS(TO_VARIANT({1}), PARSE_JSON({0}))",
        "bigquery": "({1} IN UNNEST(JSON_VALUE_ARRAY({0})))",
        "redshift": "ARRAY_CONTAINS(JSON_PARSE({0}), {1})",
    },
    ListLength: {
        "sqlite": "json_array_length({0})",
        "postgresql": "jsonb_array_length(CAST({0} AS jsonb))",
        "duckdb": "CAST(json_array_length(CAST({0} AS JSON)) AS BIGINT)",
        "snowflake": "ARRAY_SIZE(PARSE_JSON({0}))",
        "bigquery": "ARRAY_LENGTH(JSON_QUERY_ARRAY({0}))",
        "redshift": "JSON_ARRAY_LENGTH({0})",
    },
    SixDecimals: {
        "sqlite": "round({0}, 6)",
        "postgresql": "CAST(round(CAST({0} AS numeric), 6) AS double precision)",
        "duckdb": "round(CAST({0} AS DOUBLE), 6)",
        "snowflake": "ROUND(CAST({0} AS DOUBLE), 6)",
        "bigquery": "ROUND(CAST({0} AS FLOAT64), 6)",
        "redshift": "ROUND(CAST({0} AS DOUBLE PRECISION), 6)",
    },
}
for _construct, _by_dialect in _TEMPLATES.items():
    for _dialect, _template in _by_dialect.items():
        compile_as(_construct, _dialect, _template)


def bucket(salt: str, key: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    """0 to 9999, one bucket being 0.01 %: the same for a salt and key in every dialect and in `bucket_of`.

    `key` is text, an integer or a uuid; other types have no text form that all dialects agree on.
    """
    place: sa.ColumnElement[int] = hash_u32(salt, key) % BUCKETS
    return place


def hash_u32(salt: str, key: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    """A number that orders keys at random, the same way each time."""
    text: sa.ColumnElement[str] = sa.cast(key, sa.String)
    if isinstance(key.type, sa.Uuid):
        text = sa.func.lower(text)
    return Md5U32(sa.literal(f"{salt}:", sa.String) + text)


def bucket_of(salt: str, key: str | int) -> int:
    """The reference of `bucket` in Python."""
    return _md5_u32(f"{salt}:{key}") % BUCKETS


def _md5_u32(text: str) -> int:
    return _FIRST_U32(_md5(text.encode(), usedforsecurity=False).digest())[0]


def _null_safe_md5_u32(text: str | None) -> int | None:
    """SQLite calls this for every person, so it is written out."""
    return None if text is None else _FIRST_U32(_md5(text.encode(), usedforsecurity=False).digest())[0]


def _lower(text: Any) -> Any:
    return text.lower() if isinstance(text, str) else text


def _list_has(listed: Any, text: Any) -> bool | None:
    if listed is None or text is None:
        return None
    try:
        values = json.loads(listed)
    except (TypeError, ValueError):
        return False
    return isinstance(values, list) and text in values


def install_sqlite_functions(connection: sqlite3.Connection) -> None:
    """Register what SQLite lacks, under names of ours so that the built-in functions stay what they are."""
    connection.create_function("aa_md5_u32", 1, _null_safe_md5_u32, deterministic=True)
    connection.create_function("aa_lower", 1, _lower, deterministic=True)
    connection.create_function("aa_list_has", 2, _list_has, deterministic=True)
