"""A real shop's 305 trading days: three lists at each vendor kept equal to an independent pandas computation.

    python -m benchmarks.replay [--vendors all] [--warehouse sqlite] [--days 305] [--objection-day 100]

Each day is loaded into the warehouse, the three segments are computed, their lists are delivered to the sandbox
over HTTP, and every list is read back over HTTP and compared. One mismatch fails the run. `--vendors` is a service
(klaviyo.subscription_list unless said), several with commas, or all there are, in one project.
Days pass on a clock that is moved, for the vendors and for us, so that nights between an opt-out and a return are real
and our limiter's waits take no time: the times are ours and the sandbox's (in the same process), not the vendors'.
Needs `shared/data/online_retail/transactions.parquet` in a folder above the repository.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from audience_assets_tests.conftest import fresh_postgres, own_postgres
from audience_assets_tests.replay.replay import KLAVIYO, Day, Replay, open_replay
from audience_assets_tests.replay.retail import PLACE, Retail, find_transactions
from audience_assets_tests.vendors import klaviyo
from audience_assets_tests.vendors.account import VendorAccount
from audience_assets_tests.vendors.every import SERVICES

EVERY = 25


@contextmanager
def warehouse_url(kind: str, folder: Path) -> Iterator[str]:
    """An empty warehouse; Postgres comes from a wheel and is stopped again."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'warehouse.sqlite'}"
        return
    with own_postgres() as server, fresh_postgres(server) as url:
        yield url


def run(kind: str, retail: Retail, days: int, objection_day: int, services: Sequence[str]) -> int:
    """Replay the first `days` days on one kind of warehouse; the number of mismatches."""
    print(f"{kind}: {days} trading days from {retail.days[0]:%Y-%m-%d} to {retail.days[days - 1]:%Y-%m-%d}")
    with tempfile.TemporaryDirectory(prefix="audience-replay-") as name:
        folder = Path(name)
        with (
            warehouse_url(kind, folder) as url,
            open_replay(retail, url, folder / "project", objection_day=objection_day, services=services) as replay,
        ):
            started, played = time.perf_counter(), []
            for number in range(days):
                played.append(replay.play(number))
                show(played[-1], retail, every=EVERY)
            return summarize(kind, replay, played, time.perf_counter() - started)


def show(day: Day, retail: Retail, *, every: int) -> None:
    if day.mismatches or (day.number + 1) % every == 0:
        sizes = "  ".join(f"{name} {len(customers):,}" for name, customers in day.wanted.items())
        print(
            f"  {retail.days[day.number]:%Y-%m-%d}  {sizes}  changes {day.changes}  calls {day.calls}  "
            f"{day.seconds:.2f} s  mismatches {count_mismatches([day])}",
            flush=True,
        )


def count_mismatches(days: Sequence[Day]) -> int:
    return sum(len(addresses) for day in days for addresses in day.mismatches.values())


def summarize(kind: str, replay: Replay, days: Sequence[Day], wall: float) -> int:
    seconds = sorted(day.seconds for day in days)
    reports = [report for day in days for report in day.reports.values()]
    mismatches = count_mismatches(days)
    print(
        f"{kind}: {len(days)} days, {len(reports)} syncs, {sum(day.changes for day in days):,} changes "
        f"({sum(r.added for r in reports):,} entered, {sum(r.removed for r in reports):,} left), "
        f"{sum(day.calls for day in days):,} calls\n"
        f"  a day (load, segments, syncs): mean {sum(seconds) / len(seconds):.2f} s, "
        f"median {seconds[len(seconds) // 2]:.2f} s, longest {seconds[-1]:.2f} s; all with comparing {wall:.0f} s"
    )
    for service, account in replay.vendors.accounts.items():
        summarize_service(service, account, days)
    print(f"  mismatches {mismatches}", flush=True)
    return mismatches


def summarize_service(service: str, account: VendorAccount, days: Sequence[Day]) -> None:
    reports = [report for day in days for delivery, report in day.reports.items() if delivery.service == service]
    refused = Counter(row.reason for report in reports for row in report.rejections)
    missed = sum(
        len(addresses) for day in days for delivery, addresses in day.mismatches.items() if delivery.service == service
    )
    told = (
        f"  {service}: {sum(r.added for r in reports):,} entered, {sum(r.removed for r in reports):,} left, "
        f"{sum(r.calls for r in reports):,} calls, refused {dict(refused)}, mismatches {missed}"
    )
    if isinstance(account, klaviyo.SubscriptionList):
        opted = Counter(change.after for change in account.account.audit if change.origin != "person")
        told += f"; opt-ins written {opted['SUBSCRIBED']:,}, opt-outs {opted['UNSUBSCRIBED']:,}"
    print(told, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--warehouse", choices=["sqlite", "postgresql"], action="append")
    parser.add_argument("--days", type=int, default=305)
    parser.add_argument("--objection-day", type=int, default=100, help="when one in fifty opts out at every vendor")
    parser.add_argument("--vendors", default=KLAVIYO, help="services with commas between, or all")
    given = parser.parse_args()
    services = list(SERVICES) if given.vendors == "all" else given.vendors.split(",")
    if unknown := set(services) - set(SERVICES):
        raise SystemExit(f"no service is called {', '.join(sorted(unknown))}; there are {', '.join(SERVICES)}")
    path = find_transactions()
    if path is None:
        raise SystemExit(f"there is no {PLACE} in a folder above the repository")
    retail = Retail.read(path)
    kinds = given.warehouse or ["sqlite", "postgresql"]
    days = min(given.days, len(retail.days))
    found = [run(kind, retail, days, given.objection_day, services) for kind in kinds]
    if any(found):
        raise SystemExit("the lists were not what they should be")


if __name__ == "__main__":
    main()
