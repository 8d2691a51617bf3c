"""A real shop's customers in a campaign over 60 trading days: groups stay, lists follow, the control gets nothing.

    python -m benchmarks.campaign_replay [--warehouse sqlite] [--method exact] [--first 10] [--days 60]

Each day is loaded, the campaign (active customers less big spenders, two sub-audiences, two controls) is computed and
its three lists are delivered to a sandbox over HTTP and read back. Half way the percentages change. The run fails if
anybody is a recipient who should be none by pandas or the reverse, has another group than their first, or is in another
list than that of their group; and if the results differ from those of pandas. Times are ours and the sandbox's, in one
process. Needs `shared/data/online_retail/transactions.parquet` in a folder above the repository.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from audience_assets.campaigns.results_picture import lift_picture
from audience_assets_tests.replay.campaign import CampaignDay, CampaignReplay, expected_results, open_campaign_replay
from audience_assets_tests.replay.retail import PLACE, Retail, find_transactions
from benchmarks.replay import warehouse_url

EVERY = 10


def run(kind: str, method: str, retail: Retail, first: int, days: int) -> bool:
    """Replay so many days; whether all was as it should be."""
    with tempfile.TemporaryDirectory(prefix="audience-campaign-") as name:
        folder = Path(name)
        with (
            warehouse_url(kind, folder) as url,
            open_campaign_replay(retail, url, folder / "project", launch=first + 1, method=method) as replay,
        ):
            replay.load(first - 1)
            played = []
            for number in range(first, first + days):
                if number == first + days // 2:
                    replay.change_shares(30)
                played.append(replay.play(number))
                show(played[-1], retail)
            return summarize(kind, method, replay, played)


def show(day: CampaignDay, retail: Retail) -> None:
    if not day.is_sound or day.number % EVERY == 0:
        run = day.run
        print(
            f"  {retail.days[day.number]:%Y-%m-%d}  recipients {run.size:,} (+{run.entered} -{run.left})  came back "
            f"{day.came_back}  wrong {len(day.wrong)}  moved {len(day.moved)}  misdelivered {len(day.misdelivered)}  "
            f"control sent {len(day.leaked)}  {day.seconds:.2f} s",
            flush=True,
        )


def summarize(kind: str, method: str, replay: CampaignReplay, days: Sequence[CampaignDay]) -> bool:
    seconds = sorted(day.seconds for day in days)
    changes = [after.run.size - before.run.size for before, after in pairwise(days)]
    sound = sum(day.is_sound for day in days)
    print(
        f"{kind}, {method}: {len(days)} days, {len(replay.given):,} people, "
        f"grew on {sum(each > 0 for each in changes)} and shrank on {sum(each < 0 for each in changes)}, "
        f"{sum(day.came_back for day in days):,} came back; sound on {sound}; "
        f"a day (load, campaign, three lists): median {seconds[len(seconds) // 2]:.2f} s, longest {seconds[-1]:.2f} s"
    )
    results, expected = replay.results(days[-1].number), expected_results(replay)
    same = True
    for part in results.parts:
        for group in part.groups:
            outcome = group.outcome
            found = (outcome.recipients, outcome.purchasers, outcome.orders, round(outcome.revenue or 0, 2))
            row = expected[part.name, outcome.group]
            wanted = (row["recipients"], row["purchasers"], row["orders"], round(row["thousandths"] / 1000, 2))
            same = same and found == wanted
            print(
                f"  {part.name}: {outcome.group}: recipients, purchasers, orders, revenue {found}, by pandas {wanted}"
            )
    print(lift_picture(results))
    for warning in results.warnings:
        print(f"  {warning}")
    return same and sound == len(days)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--warehouse", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--method", choices=["exact", "hash"], default="exact")
    parser.add_argument("--first", type=int, default=10, help="the first trading day")
    parser.add_argument("--days", type=int, default=60)
    given = parser.parse_args()
    path = find_transactions()
    if path is None:
        raise SystemExit(f"there is no {PLACE} in a folder above the repository")
    if not run(given.warehouse, given.method, Retail.read(path), given.first, given.days):
        raise SystemExit("the campaign was not what it should be")


if __name__ == "__main__":
    main()
