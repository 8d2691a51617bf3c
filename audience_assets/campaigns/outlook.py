"""What a campaign can find out, before it is sent: the smallest lift that its groups are large enough to show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.campaigns.meaning import Part, parts
from audience_assets.campaigns.measures import bought, is_measured, measured, totals
from audience_assets.campaigns.power import detectable_mean_lift, detectable_rate_lift
from audience_assets.campaigns.statistics import Sample
from audience_assets.project.project import Project
from audience_assets.warehouse.state import State


@dataclass(frozen=True, slots=True)
class Outlook:
    """One treatment beside its control, both as large as they are.

    `base_rate` and `base_revenue` are what the sub-audience's people bought within as many days before now as the
    campaign is measured for. A lift (0.2 is +20 %) is found in 80 % of campaigns; None where none is large enough or
    nothing is known of before. `useful` is the lift that is declared worth finding.
    """

    sub_audience: str
    group: str
    treated: int
    control: int
    base_rate: float
    base_revenue: float | None
    rate_lift: float | None
    revenue_lift: float | None
    useful: float | None

    @property
    def remarks(self) -> Iterator[str]:
        """What a person should know before anything is sent."""
        if self.useful is None or (self.rate_lift is not None and self.rate_lift <= self.useful):
            return
        least = "no lift at all" if self.rate_lift is None else f"only a lift of {self.rate_lift:.0%} or more"
        yield (
            f"{self.sub_audience}: {self.group!r} beside {self.control:,} people in control can show {least} of "
            f"conversions, and {self.useful:.0%} would be useful: enlarge the control or the audience"
        )


def campaign_outlook(
    connection: Connection, state: State, project: Project, name: str, as_of: datetime
) -> list[Outlook]:
    """For every treatment that has a control, from the campaign's present recipients; one scan of their purchases.

    Empty where nothing says what counts as a purchase.
    """
    campaign = project.campaigns[name]
    if not is_measured(project, campaign):
        return []
    what = measured(project, campaign)
    model = project.campaign_model(name)
    recipient = state.recipient(name, project.models[model].key_type)
    since = as_of - timedelta(days=campaign.measurement.window_days)
    found = bought(project, state, model, what, since, as_of).subquery("bought")
    c = recipient.c
    query: sa.Select[Any] = sa.select(c.sub_audience, *totals(c.user_key, found)).group_by(c.sub_audience)
    query = query.select_from(recipient.outerjoin(found, found.c.user_key == c.user_key))
    rows = {row.sub_audience: row for row in connection.execute(query)}
    counted = sa.select(c.sub_audience, c.group_name, sa.func.count()).group_by(c.sub_audience, c.group_name)
    sizes = {(row[0], row[1]): int(row[2]) for row in connection.execute(counted)}
    useful = campaign.measurement.useful_lift_percent
    return [
        each
        for part in parts(campaign)
        if part.name in rows and part.control is not None
        for each in _part(part, rows[part.name], sizes, useful, has_value=what.value is not None)
    ]


def _part(
    part: Part, row: Any, sizes: Mapping[tuple[str, str], int], useful: Decimal | None, *, has_value: bool
) -> Iterator[Outlook]:
    control = sizes.get((part.name, part.control or ""), 0)
    base = row.purchasers / row.people
    # A value that is no number (NaN) tells nothing; the results will say so.
    is_known = has_value and math.isfinite(row.squares)
    revenue = Sample(row.people, float(row.value), float(row.squares)) if is_known else None
    for group in part.groups:
        if not group.control:
            treated = sizes.get((part.name, group.name), 0)
            yield Outlook(
                sub_audience=part.name,
                group=group.name,
                treated=treated,
                control=control,
                base_rate=base,
                base_revenue=revenue.mean if revenue else None,
                rate_lift=detectable_rate_lift(base, treated, control),
                revenue_lift=_revenue_lift(revenue, treated, control) if revenue else None,
                useful=None if useful is None else float(useful) / 100,
            )


def _revenue_lift(revenue: Sample, treated: int, control: int) -> float | None:
    if not revenue.variance:
        return None
    return detectable_mean_lift(revenue.mean, revenue.variance**0.5, treated, control)
