"""Insights in every warehouse equal what pandas and numpy compute from the same rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from sqlalchemy.engine import Engine

from audience_assets.audiences.insight_values import OTHER, SegmentInsights, small_counts
from audience_assets.audiences.insights import segment_insights
from audience_assets.audiences.overlap import segment_overlap
from audience_assets.audiences.refresh import refresh_segment
from audience_assets.audiences.trend import record_insights, segment_trend
from audience_assets.errors import WarehouseError
from audience_assets.project.needs import Needs
from audience_assets.project.project import Project
from audience_assets_tests.audiences.conftest import Shop
from audience_assets_tests.audiences.evaluator import World
from audience_assets_tests.audiences.shop import AS_OF, load, shop_project, shop_rows, shop_state

GROWN_UP = {"field": "age", "op": "gte", "value": "17"}
SEGMENTS = {"grown_ups": {"where": GROWN_UP}, "buyers": {"where": {"related": "orders"}}}
WORLD = World(shop_rows(seed=5, customers=120), segments={**SEGMENTS, "everyone": {}, "staff": {}})
YEAR_AGO = datetime(2025, 3, 14, 23, tzinfo=UTC)  # the midnight in Paris that `12mo` before AS_OF begins at
LISTS = {"letters": Needs("vendor", {"email": "email", "phone": "phone"}, {"city": "city"}, {"nickname": "nickname"})}


def with_insights(project: Project, **changes: Any) -> Project:
    insights = project.settings.insights.model_copy(update=changes)
    return replace(project, settings=project.settings.model_copy(update={"insights": insights}))


def found_in(warehouse: Engine, project: Project) -> SegmentInsights:
    load(warehouse, WORLD.rows)
    state = shop_state(warehouse)
    refresh_segment(warehouse, state, project, "grown_ups", AS_OF)
    return segment_insights(warehouse, state, project, "grown_ups", AS_OF, LISTS)


def frame(model: str) -> pd.DataFrame:
    return pd.DataFrame(WORLD.rows[model])


def people() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Everybody, and the members."""
    customers = frame("customers")
    customers = customers[customers["closed"].ne(True)]
    return customers, customers[customers["age"].ge(17).fillna(False)]


def bought() -> pd.DataFrame:
    """The members' orders within a year that were not returned, with their items."""
    orders = frame("orders").merge(
        frame("order_items").groupby("order_id")["quantity"].sum().rename("items"), on="order_id", how="left"
    )
    times = pd.to_datetime(orders["ordered_at"], utc=True)
    counted = times.ge(YEAR_AGO) & times.lt(AS_OF) & orders["status"].ne("returned")
    return orders[counted & orders["customer_id"].isin(people()[1]["customer_id"])]


def test_the_revenue_tree_and_its_identities(warehouse: Engine) -> None:
    tree, orders = found_in(warehouse, shop_project(SEGMENTS)).revenue, bought()
    assert tree is not None
    assert (tree.customers, tree.orders) == (orders["customer_id"].nunique(), len(orders))
    assert tree.revenue == pytest.approx(orders["amount"].sum())
    assert tree.items == pytest.approx(orders["items"].sum())
    a_customer, each_orders, an_order, items, an_item = (tree.ratios[name] or 0 for name in tree.ratios)
    assert tree.revenue == pytest.approx(tree.customers * a_customer)
    assert a_customer == pytest.approx(each_orders * an_order)
    assert an_order == pytest.approx(items * an_item)
    per_customer = orders.groupby("customer_id")
    assert a_customer == pytest.approx(per_customer["amount"].sum().mean())
    assert each_orders == pytest.approx(per_customer.size().mean())
    assert items == pytest.approx(orders["items"].fillna(0).mean())


def test_orders_may_have_a_row_a_line(warehouse: Engine) -> None:
    tree = found_in(warehouse, with_insights(shop_project(SEGMENTS), order_field="channel", items_field=None)).revenue
    assert tree is not None
    assert tree.orders == bought().groupby("customer_id")["channel"].nunique().sum()
    assert (tree.items, tree.items_per_order, tree.average_item_value) == (None, None, None)


def test_a_list_reaches_whoever_has_an_identifier_and_what_is_required(warehouse: Engine) -> None:
    reach = found_in(warehouse, shop_project(SEGMENTS)).lists["letters"]
    members = people()[1]
    identified = members["email"].notna() | members["phone"].notna()
    reached = identified & members["city"].fillna("").str.strip().ne("")
    assert 0 < reached.sum() < identified.sum() < len(members)
    assert (reach.destination, reach.reached) == ("vendor", reached.sum())
    assert reach.complete == (reached & members["nickname"].fillna("").str.strip().ne("")).sum()


def test_a_breakdown_has_every_frequent_value_with_its_index(warehouse: Engine) -> None:
    shares = {share.label: share for share in found_in(warehouse, shop_project(SEGMENTS)).breakdowns["city"]}
    everybody, members = people()
    counted = {label: share.members for label, share in shares.items() if label not in ("(missing)", OTHER)}
    assert counted == members["city"].value_counts().reindex(list(counted), fill_value=0).to_dict()
    assert shares["(missing)"].members == members["city"].isna().sum()
    for label, share in shares.items():
        if label in counted and share.members:
            here, everywhere = (each["city"].eq(label).mean() for each in (members, everybody))
            assert (share.of_members, share.of_users) == pytest.approx((here, everywhere))
            assert share.index == pytest.approx(here / everywhere)
    assert sum(share.of_members for share in shares.values()) == pytest.approx(1)
    assert sum(share.of_users for share in shares.values()) == pytest.approx(1)


def test_below_the_privacy_floor_values_are_hidden_and_counts_named(warehouse: Engine) -> None:
    floor = 4
    found = found_in(warehouse, with_insights(shop_project(SEGMENTS), privacy_floor=floor))
    sizes = people()[1]["city"].value_counts()
    rare = set(sizes[sizes < floor].index)
    shown = {share.label: share.members for share in found.breakdowns["city"]}
    assert rare
    assert not rare & set(shown)
    assert shown[OTHER] >= sizes[list(rare)].sum()
    assert small_counts(found, 0) == {}
    assert small_counts(replace(found, active=3, any_channel=0), floor)["active"] == 3
    assert "size" not in small_counts(found, floor)


def test_overlap_is_what_sets_have_in_common(warehouse: Engine) -> None:
    load(warehouse, WORLD.rows)
    state, project = shop_state(warehouse), shop_project(SEGMENTS)
    names = ["buyers", "everyone", "grown_ups"]
    with pytest.raises(WarehouseError, match="never computed"):
        segment_overlap(warehouse, state, project, names)
    for name in names:
        refresh_segment(warehouse, state, project, name, AS_OF)
    found = segment_overlap(warehouse, state, project, names)
    members = {name: WORLD.members(name) for name in names}
    for one in names:
        others = set().union(*(members[each] for each in names if each != one))
        assert (found.sizes[one], found.only(one)) == (len(members[one]), len(members[one] - others))
        for other in names:
            both, either = members[one] & members[other], members[one] | members[other]
            assert found.both(one, other) == found.both(other, one) == len(both)
            assert found.contained(one, other) == pytest.approx(len(both) / len(members[one]))
            assert found.jaccard(one, other) == pytest.approx(len(both) / len(either))
    assert found.in_all == len(set.intersection(*members.values()))
    assert found.in_any == len(set.union(*members.values()))


def test_only_2_to_10_segments_overlap(shop: Shop) -> None:
    project = shop_project({f"s{number}": {} for number in range(11)})
    for names in (["s1"], ["s1", "s1"], [f"s{number}" for number in range(11)]):
        with pytest.raises(WarehouseError, match="2 to 10 segments"):
            segment_overlap(shop.engine, shop.state, project, names)


def test_a_trend_tells_turnover_and_what_insights_found_of_each_computation(warehouse: Engine) -> None:
    load(warehouse, WORLD.rows)
    state = shop_state(warehouse)
    sizes, previous = list[tuple[int, int, int]](), set[int]()
    for number, age in enumerate(("17", "31", "-5", "18")):
        definition = {"where": {**GROWN_UP, "value": age}}
        project, at = shop_project({"tried": definition}), AS_OF + timedelta(hours=number)
        refresh_segment(warehouse, state, project, "tried", at)
        if number != 1:
            found = segment_insights(warehouse, state, project, "tried", at + timedelta(minutes=5))
            for _ in range(2):
                record_insights(warehouse, state, found)
        members = World(WORLD.rows, segments={"tried": definition}).members("tried")
        sizes.append((len(members), len(members - previous), len(previous - members)))
        previous = members
    trend = segment_trend(warehouse, state, "tried")
    assert [(point.size, point.entered, point.left) for point in trend] == sizes
    assert [point.turnover for point in trend] == [None] + [
        pytest.approx((entered + left) / sizes[number][0]) for number, (_, entered, left) in enumerate(sizes[1:])
    ]
    assert [point.revenue is None for point in trend] == [False, True, False, False]
    assert [point.redefined for point in trend] == [False, True, True, True]
    assert trend[-1].active == found.active
    assert segment_trend(warehouse, state, "tried", runs=2) == trend[2:]
