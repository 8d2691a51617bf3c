"""Who belongs in each list, computed with pandas alone: no SQL, nothing of our compiler.

Money is counted in whole thousandths, so that somebody who spent exactly 500 is in whatever the order of the sum.
"""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from audience_assets_tests.replay.retail import Retail

Audiences = dict[str, set[int]]


def paid_lines(retail: Retail) -> pd.DataFrame:
    """Lines of known customers that are sales: no cancellations, corrections, gifts."""
    lines = retail.lines
    cancelled = lines["invoice_no"].str.startswith("C")
    sale = lines["customer_id"].notna() & ~cancelled & (lines["quantity"] > 0) & (lines["unit_price"] > 0)
    sales = lines[sale]
    thousandths = (sales["unit_price"] * 1000).round().astype("int64") * sales["quantity"]
    return sales[["customer_id", "invoice_no", "invoiced_at", "quantity", "day"]].assign(thousandths=thousandths)


def audiences(paid: pd.DataFrame, retail: Retail, day: int) -> Audiences:
    """Segment -> customers, at the end of a trading day."""
    end = pd.Timestamp(retail.end_of(day)).tz_localize(None)
    so_far = paid[paid["day"] <= day]
    customers = so_far.groupby("customer_id")
    orders, last = customers["invoice_no"].nunique(), customers["invoiced_at"].max()
    recent = so_far[so_far["invoiced_at"] >= end - timedelta(days=90)]
    spent = recent.groupby("customer_id")["thousandths"].sum()
    return {
        "active": _keys(last[last >= end - timedelta(days=30)]),
        "big_spenders": _keys(spent[spent >= 500_000]),
        "lapsed": _keys(last[(last < end - timedelta(days=60)) & (orders >= 2)]),
    }


def _keys(series: pd.Series) -> set[int]:
    return {int(customer) for customer in series.index}
