"""Random condition trees choose the same people in SQLite, DuckDB, Postgres and plain Python."""

from __future__ import annotations

from hypothesis import given, settings

from audience_assets_tests.audiences.conftest import Shop
from audience_assets_tests.audiences.trees import Node, customers


def test_every_warehouse_agrees_with_the_evaluator(shops: dict[str, Shop]) -> None:
    world = shops["sqlite"].world
    everyone = {row["customer_id"] for row in world.everyone()}

    @given(tree=customers)
    @settings(max_examples=60)
    def agrees(tree: Node) -> None:
        expected = {row["customer_id"] for row in world.everyone() if world.holds(tree, "customers", row)}
        for kind, shop in shops.items():
            found = shop.members({"where": tree})
            assert len(found) == len(set(found)), f"{kind}: somebody is in twice"
            assert set(found) == expected, kind
            complement = shop.members({"where": {"not": {"segment": "whole"}}}, whole={"where": tree})
            assert set(complement) == everyone - expected, f"{kind}: A plus not A is not everyone"

    agrees()
