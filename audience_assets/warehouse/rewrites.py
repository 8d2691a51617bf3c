"""Standard SQL that one warehouse refuses, written the way it takes it.

Statements are built with plain SQLAlchemy and compile so for the named dialect, with its own SQLAlchemy package and
without. Importing this module is what registers them.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.compiler import GenericTypeCompiler, SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


@compiles(sa.Delete, "bigquery")
def _delete_with_where(element: sa.Delete, compiler: SQLCompiler, **kw: Any) -> str:
    """BigQuery wants a WHERE, also of who deletes everything.

    https://cloud.google.com/bigquery/docs/reference/standard-sql/dml-syntax#delete_statement
    """
    everything = element if element.whereclause is not None else element.where(sa.true())
    return str(compiler.visit_delete(everything, **kw))  # type: ignore[no-untyped-call]


@compiles(sa.Update, "bigquery")
def _update_with_where(element: sa.Update, compiler: SQLCompiler, **kw: Any) -> str:
    everything = element if element.whereclause is not None else element.where(sa.true())
    return str(compiler.visit_update(everything, **kw))


@compiles(sa.Over, "snowflake")
def _ordered_window(element: sa.Over[Any], compiler: SQLCompiler, **kw: Any) -> str:
    """Snowflake numbers rows only in an order, be it none: https://docs.snowflake.com/en/sql-reference/functions/row_number"""
    function = element.element
    if element.order_by is None and isinstance(function, FunctionElement) and function.name == "row_number":
        element = sa.over(function, partition_by=element.partition_by, order_by=sa.null())
    return str(compiler.visit_over(element, **kw))  # type: ignore[no-untyped-call]


@compiles(sa.BinaryExpression, "redshift")
def _null_safe(element: sa.BinaryExpression[Any], compiler: SQLCompiler, **kw: Any) -> str:
    """Redshift parses IS DISTINCT FROM and then has no way to compute it ("Unknown pg type")."""
    left, right = element.left, element.right
    same = sa.case((sa.or_(left == right, sa.and_(left.is_(None), right.is_(None))), sa.true()), else_=sa.false())
    if element.operator is operators.is_distinct_from:
        return compiler.process(sa.not_(same), **kw)
    if element.operator is operators.is_not_distinct_from:
        return compiler.process(same, **kw)
    return str(compiler.visit_binary(element, **kw))  # type: ignore[no-untyped-call]


@compiles(sa.String, "redshift")
def _long_text(element: sa.String, compiler: GenericTypeCompiler, **kw: Any) -> str:
    """A VARCHAR without a length holds 256 bytes, and a cast to it cuts what is longer without a word.

    https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html
    """
    return str(compiler.visit_VARCHAR(sa.VARCHAR(element.length or 65_535), **kw))
