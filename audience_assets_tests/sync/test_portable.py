"""What the engine executes is SQL that Snowflake, BigQuery and Redshift take, as far as a parser and their rules tell.

The statements are recorded while real syncs run on DuckDB, which takes every branch that those three would take, and
then written down and parsed in their dialects. Nothing is run there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa
import sqlglot
from sqlglot import exp

from audience_assets.warehouse.engine import open_warehouse
from audience_assets.warehouse.state import State
from audience_assets.warehouse.unpackaged import unpackaged
from audience_assets_tests.audiences.story import life_of_insights
from audience_assets_tests.campaigns.story import life_of_a_campaign
from audience_assets_tests.conftest import file_url
from audience_assets_tests.sync.recorded import Recording, recording
from audience_assets_tests.sync.stories import (
    life_of_a_declared_list,
    life_of_a_list,
    life_of_a_number,
    life_of_a_treatment,
    life_of_another_contact,
    life_of_several_addresses,
)

STORIES = (
    life_of_a_list,
    life_of_a_declared_list,
    life_of_a_number,
    life_of_a_treatment,
    life_of_another_contact,
    life_of_several_addresses,
    life_of_a_campaign,
    life_of_insights,
)
DIALECTS = ("snowflake", "bigquery", "redshift")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    with recording() as found:
        for story in STORIES:
            folder = tmp_path_factory.mktemp(story.__name__)
            engine = open_warehouse(file_url("duckdb", folder / "warehouse.duckdb"))
            story(folder, engine)
            engine.dispose()
    return found


@dataclass(frozen=True)
class Written:
    """A statement in one dialect. Its text says which line of the engine it comes from."""

    text: str
    tree: exp.Expression

    def __str__(self) -> str:
        return self.text


Statements = dict[str, list[Written]]


@pytest.fixture(scope="module")
def written(recorded: Recording) -> Statements:
    """Dialect -> every statement that is not there yet."""
    return {dialect: list(_write(recorded, dialect)) for dialect in DIALECTS}


def _write(recorded: Recording, name: str) -> Iterator[Written]:
    dialect = unpackaged(name)
    assert dialect is not None
    seen: set[str] = set()
    for statement in recorded.statements:
        text = statement.text(dialect)
        if text not in seen:
            seen.add(text)
            [tree] = sqlglot.parse(text, read=name)
            assert isinstance(tree, exp.Expression)
            yield Written(f"{statement.site} on {name}: {text}", tree)


def test_the_stories_reach_every_statement_of_the_engine(recorded: Recording) -> None:
    assert recorded.unheard("sync", "consent", "forgetting", "campaigns") == [], "add what leads there to stories.py"
    assert recorded.raw == [], "SQL text is written for one dialect"


@pytest.mark.parametrize("name", DIALECTS)
def test_those_warehouses_take_the_recorded_branches(name: str) -> None:
    """Their tables are declared as DuckDB's are: no indexes, a schema, changes that are counted."""
    engines = (open_warehouse("duckdb:///:memory:"), SimpleNamespace(dialect=unpackaged(name)))
    theirs, others = (_declared(State(cast("sa.Engine", engine))) for engine in engines)
    assert theirs == others


def _declared(state: State) -> list[Any]:
    tables = state.list_tables("vips", "integer", [], ["email"])
    every = [*state.metadata.tables.values(), tables.ledger, tables.change, tables.duplicate]
    return [
        (table.fullname, [(c.name, c.primary_key, c.nullable) for c in table.columns], len(table.indexes))
        for table in every
    ]


@pytest.mark.parametrize("name", DIALECTS)
def test_every_statement_is_understood(written: Statements, name: str) -> None:
    kinds = {type(statement.tree) for statement in written[name]}
    # A Command is what the parser makes of text it does not understand.
    assert kinds == {exp.Select, exp.Insert, exp.Update, exp.Delete, exp.Create, exp.Alter, exp.Drop}
    for statement in written[name]:
        assert not list(statement.tree.find_all(exp.Command)), statement


@pytest.mark.parametrize("name", DIALECTS)
def test_nothing_is_used_that_one_of_them_lacks(written: Statements, name: str) -> None:
    for statement in written[name]:
        tree = statement.tree
        assert not list(tree.find_all(exp.OnConflict, exp.Returning, exp.Lock, exp.Index)), statement
        if isinstance(tree, exp.Insert | exp.Update | exp.Delete):
            assert tree.args.get("with_") is None, f"a WITH before the verb: {statement}"
        for derived in tree.find_all(exp.Subquery):
            nameless = isinstance(derived.parent, exp.From | exp.Join) and not derived.alias
            assert not nameless, f"a subquery in FROM without a name: {statement}"
        for window in tree.find_all(exp.Window):
            ordered = window.args.get("order") or isinstance(window.this, exp.AggFunc)
            assert name != "snowflake" or ordered, f"Snowflake numbers rows only in an order: {statement}"


@pytest.mark.parametrize("name", DIALECTS)
def test_subqueries_are_correlated_by_equality_and_with_the_next_query_only(written: Statements, name: str) -> None:
    """All three turn a correlated subquery into a join, and refuse those they can't."""
    for statement in written[name]:
        for query in statement.tree.find_all(exp.Select):
            outer = _outer_columns(query)
            around = query.parent_select or statement.tree
            for column in outer:
                assert isinstance(column.parent, exp.EQ), f"{column} is not compared by =: {statement}"
                assert column.table in _tables(around), f"{column} skips a query: {statement}"
                assert query.find_ancestor(exp.Where, exp.Select) in _conditions(around), f"not in WHERE: {statement}"


def _conditions(query: exp.Expression) -> list[exp.Expression]:
    where = query.args.get("where")
    return [where] if where else []


def _tables(query: exp.Expression) -> set[str]:
    """Names that columns of this very query may have before them."""
    joined = [clause.this for clause in query.find_all(exp.From, exp.Join) if clause.parent_select in (query, None)]
    changed = [query.this] if isinstance(query, exp.Update | exp.Delete) else []
    return {source.alias_or_name for source in (*joined, *changed)}


def _outer_columns(query: exp.Select) -> list[exp.Column]:
    """Columns of this very query that belong to a query around it."""
    own = _tables(query)
    columns = [column for column in query.find_all(exp.Column) if column.parent_select is query]
    return [column for column in columns if column.table and column.table not in own]


@pytest.mark.parametrize("name", ["bigquery", "redshift"])
def test_reserved_words_are_quoted(written: Statements, name: str) -> None:
    reserved = sqlglot.Dialect.get_or_raise(name).generator_class.RESERVED_KEYWORDS
    for statement in written[name]:
        for identifier in statement.tree.find_all(exp.Identifier):
            assert identifier.quoted or identifier.name not in reserved, f"{identifier.name}: {statement}"


def test_bigquery_changes_nothing_without_a_condition(written: Statements) -> None:
    for statement in written["bigquery"]:
        if isinstance(statement.tree, exp.Update | exp.Delete):
            assert statement.tree.args.get("where"), statement


def test_bigquery_knows_a_table_by_its_name_alone_and_types_of_its_own(written: Statements) -> None:
    for statement in written["bigquery"]:
        assert not [column for column in statement.tree.find_all(exp.Column) if column.db], statement
        assert not list(statement.tree.find_all(exp.PrimaryKey)), statement
        assert "VARCHAR" not in statement.text, statement


def test_redshift_compares_nulls_in_words(written: Statements) -> None:
    for statement in written["redshift"]:
        assert not list(statement.tree.find_all(exp.NullSafeEQ, exp.NullSafeNEQ)), statement


def test_redshift_is_told_the_types_of_what_is_compared(written: Statements) -> None:
    """A bare value in a derived table is of an unknown type, for which there is no comparison."""
    for statement in written["redshift"]:
        for derived in statement.tree.find_all(exp.Subquery):
            if isinstance(derived.parent, exp.From | exp.Join):
                query = derived.unnest()
                assert isinstance(query, exp.Query), statement
                assert not [each for each in query.selects if isinstance(each.unalias(), exp.Placeholder)], statement


def test_redshift_keeps_long_texts(written: Statements) -> None:
    """A VARCHAR without a length holds 256 bytes there."""
    for statement in written["redshift"]:
        for kind in statement.tree.find_all(exp.DataType):
            text = kind.this is exp.DataType.Type.VARCHAR
            assert not text or kind.expressions, f"a short text: {statement}"
