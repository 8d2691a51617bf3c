"""A campaign's groups and lists as a person sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from audience_assets.campaigns.outlook import Outlook
from audience_assets.campaigns.refresh import CampaignRun
from audience_assets.cli.words import amount, count, moment, percent, table
from audience_assets.project.audiences import audience_name, parts_of
from audience_assets.project.project import Project
from audience_assets.sync import CampaignDelivery
from audience_assets.sync.reach import Reach


def groups_table(project: Project, name: str, counts: Mapping[str, Mapping[str, int]] | None = None) -> Table:
    """Sub-audiences, groups, shares and lists; with the people of each group where they are known."""
    campaign = project.campaigns[name]
    named: dict[str, list[str]] = {}
    for each in project.lists_of(name):
        named.setdefault(each.audience, []).append(f"{each.list_name} at {each.destination}")
    rows = []
    for part in parts_of(campaign):
        for group in part.groups:
            lists = named.get(audience_name(name, part.name, group.name), [])
            people = [] if counts is None else [count(counts.get(part.name, {}).get(group.name, 0))]
            share = f"{group.percent.normalize():f} %"
            told = "control, sent nothing" if group.control else "\n".join(lists)
            rows.append((part.name, group.name, share, *people, told))
    columns = ("sub-audience", "group", "share", *(() if counts is None else ("people",)), "list")
    title = campaign.title if campaign.state == "active" else f"{campaign.title} ({campaign.state})"
    return table(title, columns, rows, numbers="share, people")


def funnel(run: CampaignRun) -> str:
    """From the included to the recipients."""
    lost = (
        (run.excluded, "excluded"),
        (run.outranked, "in a campaign before this one"),
        (run.held_out, "held out"),
        (run.withheld, "control in another sub-audience"),
    )
    words = "".join(f", {number:,} {why}" for number, why in lost if number)
    return f"{run.campaign}: {run.size:,} recipients of {run.included:,} included{words}"


def reach_table(reached: Mapping[str, Reach]) -> Table:
    """Per list: customers, rows, and why they differ."""
    rows = [
        (
            name,
            count(each.customers),
            count(each.rows),
            "; ".join(f"{number:,} {why}" for why, number in each.shrink.items()) or "-",
            f"{each.expansion:,} rows more than customers" if each.expansion else "-",
        )
        for name, each in reached.items()
    ]
    columns = ("list", "customers", "rows", "shrink", "expansion")
    return table("from customers to rows", columns, rows, numbers="customers, rows")


def delivery_table(found: CampaignDelivery, state: str = "active") -> Table:
    """What became of each group at each destination."""
    rows = [
        (
            each.sub_audience,
            each.group,
            each.destination,
            each.state,
            count(each.reach.customers),
            count(each.reach.rows),
            count(each.waiting),
            "; ".join(f"{number:,} {why}" for why, number in each.reach.shrink.items()) or "-",
            count(each.reach.expansion),
            moment(each.at),
        )
        for each in found.lists
    ]
    total = found.total
    if len(rows) > 1:
        waiting = count(sum(each.waiting for each in found.lists))
        sums = (count(total.customers), count(total.rows), waiting, count(total.lost), count(total.expansion))
        rows.append(("all lists", "", "", "", *sums, ""))
    numbers = ("customers", "rows", "waiting", "expansion")
    columns = ("sub-audience", "group", "destination", "state", *numbers[:3], "shrink", numbers[3], "when")
    title = f"{found.campaign}: lists" if state == "active" else f"{found.campaign} ({state}): lists"
    return table(title, columns, rows, numbers=", ".join(numbers))


def outlook_table(outlook: Sequence[Outlook]) -> Table:
    """The smallest lift that each treatment can show, by what its people bought lately."""

    def lift(least: float | None) -> str:
        return "-" if least is None else f"{least:+.1%}"

    rows = [
        (
            f"{each.sub_audience}: {each.group}",
            count(each.treated),
            count(each.control),
            percent(each.base_rate),
            lift(each.rate_lift),
            amount(each.base_revenue),
            lift(each.revenue_lift),
        )
        for each in outlook
    ]
    numbers = ("people", "control", "conversion now", "least lift", "a recipient now", "least lift ")
    title = "the smallest lifts that would be found in 4 of 5 such campaigns"
    return table(title, ("treatment", *numbers), rows, numbers=",".join(numbers))


def plain_run(run: CampaignRun) -> dict[str, Any]:
    """A computation for programs."""
    names = ("included", "excluded", "held_out", "outranked", "withheld", "size", "entered", "left", "split_version")
    numbers = {name: getattr(run, name) for name in names}
    return {"campaign": run.campaign, "as_of": run.as_of, **numbers, "groups": run.counts}
