"""Many rows in one bound parameter: JSON text in, a table of typed columns out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from audience_assets.warehouse.functions import compile_as


def json_rows(name: str, columns: Mapping[str, sa.types.TypeEngine[Any]]) -> sa.Subquery:
    """A table made of the one bind parameter `name`: JSON text, an array of arrays in the order of `columns`.

    One statement then serves a batch of any size, without a temporary table or a thousand parameters:

        rows = json_rows("rows", {"identifier": sa.String(), "vendor_id": sa.String(), "at": UtcDateTime()})
        statement = sa.update(ledger).values(vendor_id=rows.c.vendor_id)
        statement = statement.where(ledger.c.identifier == rows.c.identifier)
        connection.execute(statement, {"rows": encode_rows([("a@example.com", "01H", now), ...])})

    An `INSERT` takes it as `table.insert().from_select([...], sa.select(rows.c.identifier, ...))`; two of
    them in one statement need two names. `encode_rows` makes the parameter.
    """
    array = _JsonArray(sa.bindparam(name, type_=sa.String())).table_valued("value")
    cells = [
        _CellCast(_JsonCell(array.c.value, sa.literal_column(str(place))), kind).label(column)
        for place, (column, kind) in enumerate(columns.items())
    ]
    return sa.select(*cells).select_from(array).subquery(f"{name}_rows")


def encode_rows(rows: Iterable[Sequence[Any]]) -> str:
    """The parameter of `json_rows`. Times must have a zone and are written as UTC."""
    return orjson.dumps([list(row) for row in rows], default=_spelled, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()


def _spelled(value: Any) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("an instant needs a zone")
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"no JSON form for {type(value).__name__}")


class _JsonArray(FunctionElement[Any]):
    """The elements of a JSON array, one a row, in a column `value`."""

    name = "json_array"
    inherit_cache = True


class _JsonCell(FunctionElement[str]):
    """`(value, place)`: one element of an inner array, as text where the dialect has no typed way."""

    name = "json_cell"
    type = sa.String()
    inherit_cache = True


class _CellCast(sa.Cast[Any]):
    """A cast of a cell to its column's type. SQLite has the JSON type already and no dates to cast to."""

    inherit_cache = True


@compiles(_CellCast)
def _cast(element: _CellCast, compiler: SQLCompiler, **kw: Any) -> str:
    return str(compiler.visit_cast(element, **kw))  # type: ignore[no-untyped-call]


@compiles(_CellCast, "sqlite")
def _no_cast(element: _CellCast, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clause, **kw)


for _dialect, _array, _cell in (
    ("sqlite", "json_each({0})", "json_extract({0}, '$[{1}]')"),
    ("postgresql", "jsonb_array_elements(CAST({0} AS jsonb))", "({0} ->> {1})"),
    (
        "duckdb",
        "(SELECT unnest(from_json(CAST({0} AS JSON), '[\"JSON\"]')) AS value)",
        "json_extract_string({0}, '$[{1}]')",
    ),
    # A JSON null is a value of its own in Snowflake and would become the text 'null'.
    ("snowflake", "TABLE(FLATTEN(INPUT => PARSE_JSON({0})))", "STRIP_NULL_VALUE(GET({0}, {1}))"),
    (
        "bigquery",
        "(SELECT value FROM UNNEST(JSON_QUERY_ARRAY({0})) AS value)",
        "JSON_VALUE({0}, '$[{1}]')",
    ),
    (
        "redshift",
        "(SELECT value FROM (SELECT JSON_PARSE({0}) AS doc) AS parsed, parsed.doc AS value)",
        "{0}[{1}]",
    ),
):
    compile_as(_JsonArray, _dialect, _array)
    compile_as(_JsonCell, _dialect, _cell)
