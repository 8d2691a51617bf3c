"""A database's errors without the rows they quote: these words end up in terminals, logs and Dagster's events.

Postgres appends a DETAIL with whole rows, and each database repeats the value that it could not convert. What names
tables and columns stays, so that a mistake in a model can still be read.
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy.engine import Engine, ExceptionContext
from sqlalchemy.exc import DataError, DBAPIError

# What quotes nothing but names and files.
_DUCKDB_NAMES = {"BinderException", "CatalogException", "ConnectionException", "IOException", "ParserException"}
# A value may hold quotes and line breaks itself, so nobody can tell where it ends; DuckDB's column comes last.
_FROM_VALUE_ON = re.compile(r"""["'].*?(?P<column> when casting from source column \w+)?$""")
HIDDEN = "[hidden]"


def silence_values(engine: Engine) -> None:
    """From now on no error of this engine quotes a row, nor does the driver's error behind it."""

    @sa.event.listens_for(engine, "handle_error")
    def silence(context: ExceptionContext) -> None:
        wrapped, original = context.sqlalchemy_exception, context.original_exception
        if isinstance(wrapped, DBAPIError):
            said = _said(wrapped, original, context.dialect.name)
            # Changed in place: a traceback shows the driver's error as the cause of SQLAlchemy's.
            original.args = (said,)
            wrapped.args = (f"({type(original).__name__}) {said}",)


def _said(wrapped: DBAPIError, original: BaseException, dialect: str) -> str:
    """The first line; DETAIL, HINT and the statement come after it."""
    lines = str(original).strip().splitlines()
    first = lines[0] if lines else type(original).__name__
    return first if _quotes_names(wrapped, original, dialect) else _FROM_VALUE_ON.sub(rf"{HIDDEN}\g<column>", first)


def _quotes_names(wrapped: DBAPIError, original: BaseException, dialect: str) -> bool:
    if dialect == "duckdb":
        return type(original).__name__ in _DUCKDB_NAMES
    if dialect == "postgresql":
        return not isinstance(wrapped, DataError)
    return dialect == "sqlite"
