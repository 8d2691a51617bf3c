"""Random conditions over the shop, as a person would write them in YAML."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from audience_assets_tests.audiences.shop import TEXTS

Node = dict[str, Any]
Nodes = st.SearchStrategy[Node]

texts = st.sampled_from(TEXTS) | st.text("aAéÉ%_'\"\\😀名 ", min_size=1, max_size=3)
numbers = st.sampled_from(["-1", "0", "5.25", "12.5", "17", "18", "30", "60", "99.75", "1099511627776"])
integers = st.sampled_from(["-1", "0", "1", "2", "17", "18", "30", "65", "1099511627776"])
durations = st.sampled_from(["0d", "1d", "7d", "30d", "12mo", "1y", "3h", "630min", "2w", "1q"])
moments = st.sampled_from(
    ["2026-03-15", "2026-03-14", "2024-02-29", "today", "yesterday-1mo", "start_of_month", "end_of_year-1y", "now-1d"]
)
instants = moments | st.sampled_from(["now", "now-3h", "2026-03-15T00:00:00", "2024-02-29T12:30:15Z"])
bounds = st.sampled_from(["[]", "()", "[)", "(]"])
nulls = st.sampled_from(["default", "default", "exclude"])
NUMBER_OPS = ["is", "is_not", "gt", "gte", "lt", "lte"]
TIME_OPS = ["is", "is_not", "before", "on_or_before", "after", "on_or_after"]
AGO_OPS = ["in_last", "not_in_last", "in_next", "more_than_ago", "anniversary_in_next", "anniversary_in_last"]
TEXT_OPS = ["is", "is_not", "contains", "not_contains", "starts_with", "not_starts_with", "ends_with", "not_ends_with"]


def leaf(fields: list[str], ops: list[str], **more: st.SearchStrategy[Any]) -> Nodes:
    return st.fixed_dictionaries({"field": st.sampled_from(fields), "op": st.sampled_from(ops), "nulls": nulls, **more})


def on_text(*fields: str) -> Nodes:
    chosen, case = list(fields), st.sampled_from(["true", "false"])
    return (
        leaf(chosen, TEXT_OPS, value=texts)
        | leaf(chosen, TEXT_OPS, value=texts, ignore_case=case)
        | leaf(chosen, ["in", "not_in"], value=st.lists(texts, min_size=1, max_size=4))
        | leaf(chosen, ["is_set", "is_not_set", "is_empty", "is_not_empty"])
    )


def on_number(values: st.SearchStrategy[str], *fields: str) -> Nodes:
    chosen = list(fields)
    return (
        leaf(chosen, NUMBER_OPS, value=values)
        | leaf(chosen, ["between", "not_between"], value=st.lists(values, min_size=2, max_size=2), bounds=bounds)
        | leaf(chosen, ["in", "not_in"], value=st.lists(values, min_size=1, max_size=3))
        | leaf(chosen, ["is_set", "is_not_set"])
    )


def on_time(values: st.SearchStrategy[str], *fields: str) -> Nodes:
    chosen = list(fields)
    return (
        leaf(chosen, TIME_OPS, value=values)
        | leaf(chosen, ["between", "not_between"], value=st.lists(values, min_size=2, max_size=2), bounds=bounds)
        | leaf(chosen, AGO_OPS, value=durations)
        | leaf(chosen, ["month_is"], value=st.sampled_from(["2", "3", "12"]))
    )


def other_field(field: str, other: str, ops: list[str]) -> Nodes:
    return leaf([field], ops, value=st.just({"field": other}))


def trees(leaves: Nodes, most: int = 6) -> Nodes:
    return st.recursive(
        leaves,
        lambda child: (
            st.fixed_dictionaries({"all": st.lists(child, min_size=1, max_size=3)})
            | st.fixed_dictionaries({"any": st.lists(child, min_size=1, max_size=3)})
            | st.fixed_dictionaries({"not": child})
        ),
        max_leaves=most,
    )


windows = (
    st.fixed_dictionaries({"within": durations})
    | st.fixed_dictionaries({"between": st.tuples(durations, durations).map(list)})
    | st.fixed_dictionaries({"since": instants}, optional={"until": instants})
    | st.just({"all_time": "true"})
)


def related(model: str, where: Nodes, measures: list[str], *, windowed: bool) -> Nodes:
    optional: dict[str, st.SearchStrategy[Any]] = {"where": where}
    if windowed:
        optional["window"] = windows
    base: dict[str, st.SearchStrategy[Any]] = {"related": st.just(model)}
    quantified = st.fixed_dictionaries(
        base, optional=optional | {"quantifier": st.sampled_from(["any", "none", "all"])}
    )
    counted = st.fixed_dictionaries(
        base | {"op": st.sampled_from(NUMBER_OPS), "value": st.sampled_from(["0", "1", "2", "12.5", "60"])},
        optional=optional | {"measure": st.sampled_from(measures)},
    )
    ranged = st.fixed_dictionaries(
        base | {"op": st.just("between"), "value": st.just(["1", "40"]), "bounds": bounds},
        optional=optional | {"measure": st.sampled_from(measures)},
    )
    return quantified | counted | ranged


items = related(
    "order_items",
    trees(on_text("product.category", "sku") | on_number(integers, "quantity"), 3),
    ["count", "sum:quantity", "avg:quantity", "max:quantity", "count_distinct:product.category"],
    windowed=False,
)
orders = related(
    "orders",
    trees(
        on_text("channel", "customer.city") | on_number(numbers, "amount") | on_time(instants, "ordered_at") | items, 3
    ),
    ["count", "sum:amount", "avg:amount", "min:amount", "max:amount", "count_distinct:channel"],
    windowed=True,
)
states = st.sampled_from(["subscribed", "unsubscribed", "pending"])
consents = st.fixed_dictionaries(
    {
        "consent": st.fixed_dictionaries(
            {"channel": st.sampled_from(["email", "sms", "post"]), "status": states}, optional={"at": windows}
        )
    }
)
segments = (
    st.fixed_dictionaries(
        {"segment": st.sampled_from(["everyone", "staff", "regulars", "spenders"])},
        optional={"is_member": st.sampled_from(["true", "false"])},
    )
    | st.fixed_dictionaries(
        {"segment": st.sampled_from(["staff", "regulars"])},
        optional={"is_member": st.just("false"), "joined_within": durations},
    )
    | st.fixed_dictionaries({"segment": st.sampled_from(["staff", "regulars"]), "left_within": durations})
)
ranks = st.fixed_dictionaries(
    {
        "rank": st.builds(
            lambda by, which, n: {"by": by, which: n},
            st.sampled_from(["ltv", "age", "created_at", "birthdate", "revenue", "average"]),
            st.sampled_from(["top", "bottom", "top_percent", "bottom_percent"]),
            st.sampled_from(["1", "5", "20", "100"]),
        )
    }
)
samples = st.fixed_dictionaries(
    {"sample": st.fixed_dictionaries({"percent": st.sampled_from(["0", "12.5", "50", "100"]), "salt": st.just("s-1")})}
)
received = st.fixed_dictionaries(
    {
        "received": st.fixed_dictionaries({"campaign": st.sampled_from(["spring", "summer"])})
        | st.fixed_dictionaries({"within": durations}, optional={"at_least": st.sampled_from(["1", "2", "3"])})
        | st.fixed_dictionaries({"within": durations, "campaign": st.sampled_from(["spring", "summer"])})
    }
)
items_of_lists = st.sampled_from(["jazz", "O'Neil", "名前", "50%", "", '"'])
lists = st.just({"list": "friends"})

customers = trees(
    on_text("city", "nickname", "email")
    | on_number(integers, "age", "customer_id", "orders_12m")
    | on_number(numbers, "ltv", "revenue", "dearest", "average")
    | on_time(moments, "birthdate")
    | on_time(instants, "created_at")
    | leaf(["vip"], ["is_true", "is_false", "is_set", "is_not_set"])
    | leaf(["interests"], ["is_set", "is_not_set"])
    | leaf(["interests"], ["includes_any", "includes_all", "includes_none"], value=st.lists(items_of_lists, min_size=1))
    | leaf(["interests"], ["length_gte", "length_lte"], value=st.sampled_from(["0", "1", "3"]))
    | other_field("city", "nickname", TEXT_OPS)
    | other_field("created_at", "updated_at", TIME_OPS)
    | other_field("ltv", "revenue", NUMBER_OPS)
    | orders
    | orders
    | consents
    | segments
    | ranks
    | samples
    | received
    | lists
)
