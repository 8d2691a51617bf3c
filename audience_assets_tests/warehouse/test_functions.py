"""Each construct gives one answer in every warehouse that we execute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.warehouse.functions import (
    ListHas,
    ListLength,
    SixDecimals,
    TextPosition,
    UnicodeLower,
    bucket,
    bucket_of,
    hash_u32,
)

GOLDEN = [
    ("camp-42", "c1", 362611901, 1901),
    ("camp-42", "c2", 2856702099, 2099),
    ("camp-42", "user-0@example.com", 101357185, 7185),
    ("camp-42", "Zoë@exämple.com", 1870067388, 7388),
    ("camp-42", "名前", 3408437981, 7981),
    ("camp-42", "42", 739503441, 3441),
    ("camp-43", "42", 2411775195, 5195),
    ("global-holdout", "42", 4236469535, 9535),
]


def one(engine: Engine, expression: sa.ColumnElement[Any]) -> Any:
    with engine.connect() as connection:
        return connection.scalar(sa.select(expression))


def test_buckets_equal_the_golden_vectors(warehouse: Engine) -> None:
    for salt, key, number, place in GOLDEN:
        column = sa.literal(key, sa.String())
        assert one(warehouse, hash_u32(salt, column)) == number
        assert one(warehouse, bucket(salt, column)) == place
        assert bucket_of(salt, key) == place


def test_integer_keys_hash_as_their_text(warehouse: Engine) -> None:
    assert one(warehouse, bucket("camp-42", sa.literal(42, sa.BigInteger()))) == 3441 == bucket_of("camp-42", 42)


def test_uuid_keys_hash_as_lower_case_text(warehouse: Engine) -> None:
    text = "6F9619FF-8B86-4D01-B42D-00CF4FC964FF"
    kind = sa.Uuid(as_uuid=False).with_variant(sa.String(), "sqlite")
    key = sa.cast(sa.literal(text, sa.String()), kind)
    assert one(warehouse, bucket("s", key)) == bucket_of("s", text.lower())


@pytest.mark.parametrize(
    ("text", "part", "place"),
    [
        ("50% off_", "%", 3),
        ("50% off_", "_", 8),
        ("it's", "'", 3),
        ("Zoë😀x", "x", 5),
        ("abc", "d", 0),
        ("", "a", 0),
    ],
)
def test_text_position_knows_no_wildcards(warehouse: Engine, text: str, part: str, place: int) -> None:
    assert one(warehouse, TextPosition(sa.literal(text), sa.literal(part))) == place


def test_lower_knows_every_script(warehouse: Engine) -> None:
    assert one(warehouse, UnicodeLower(sa.literal("ÉCOLE Ночь", sa.String()))) == "école ночь"


def test_sqlite_keeps_its_own_lower(make_warehouse: Callable[[str], Engine]) -> None:
    assert one(make_warehouse("sqlite"), sa.func.lower(sa.literal("ÉCOLE"))) == "École"


def test_lists_are_json_arrays(warehouse: Engine) -> None:
    listed = sa.literal('["jazz", "o\'clock", "naïve \\"x\\""]', sa.String())
    for value in ("jazz", "o'clock", 'naïve "x"'):
        assert one(warehouse, ListHas(listed, sa.literal(value, sa.String())))
    assert not one(warehouse, ListHas(listed, sa.literal("jaz", sa.String())))
    assert one(warehouse, ListHas(sa.literal(None, sa.String()), sa.literal("jazz", sa.String()))) is None
    assert one(warehouse, ListLength(listed)) == 3
    assert one(warehouse, ListLength(sa.literal(None, sa.String()))) is None


@pytest.mark.parametrize(
    ("number", "rounded"), [(0.1 + 0.2, 0.3), (1e12 + 0.0000004, 1e12), (-2.0000015, -2.000002), (None, None)]
)
def test_numbers_are_rounded_alike(warehouse: Engine, number: float | None, rounded: float | None) -> None:
    assert one(warehouse, SixDecimals(sa.literal(number, sa.Double()))) == rounded
