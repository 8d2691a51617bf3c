"""Opt-outs of a phone number that is written in another way: `202-555-0101` said no, `+12025550101` is to be opted in.

SQL knows a number by its digits. Whether two spellings are one number depends on their countries, which only a library
for phone numbers can tell, so those that end alike are compared in Python: few, because one of them has opted out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.consent.evidence import OPTED_IN, OPTED_IN_HERE, OPTED_OUT, EvidenceSource, Numbers
from audience_assets.destinations.identifiers import same_number
from audience_assets.warehouse.column_types import UtcDateTime

# No country's numbers are shorter, and these digits are written in every spelling of a number.
TAIL = 7
# Rows read and values written at a time.
PART = 500


def fill_opt_outs_of_other_spellings(
    connection: Connection, change: sa.Table, source: EvidenceSource, channel: str, event_time: str | None
) -> None:
    """Write down for everybody about to be opted in what another spelling of their number last said, if it was no."""
    numbers = source.addresses[channel].numbers
    if numbers is None or event_time is None or source.settings.history is None:
        return
    changes = _by_other_spelling(connection, change, source, channel, numbers)
    spellings = sorted(changes)
    for start in range(0, len(spellings), PART):
        newest = source.newest(channel, spellings[start : start + PART], event_time)
        if newest is None:
            return
        refused = sa.select(newest.c.address, newest.c.at).where(newest.c.status == OPTED_OUT)
        for address, at in connection.execute(refused).all():
            _refuse(connection, change, changes[address], channel, at, source.now)


def _by_other_spelling(
    connection: Connection, change: sa.Table, source: EvidenceSource, channel: str, numbers: Numbers
) -> Mapping[str, Sequence[int]]:
    """Number as somebody who opted out has it -> changes that have it in another spelling."""
    address = source.addresses[channel].of_row(change)
    opted_out = source.who_opted_out(channel, numbers.of_user)
    tailed = sa.select(opted_out, tail(opted_out.c.address).label("tail")).subquery("opted_out")
    pairs = (
        sa.select(
            change.c.seq,
            address.label("number"),
            numbers.of_row(change).label("region"),
            tailed.c.address.label("other"),
            tailed.c.region.label("other_region"),
        )
        .join(tailed, tailed.c.tail == tail(address))
        .where(change.c.operation.in_(OPTED_IN_HERE), address != tailed.c.address, sa.func.length(address) >= TAIL)
    )
    found: dict[str, list[int]] = defaultdict(list)
    for rows in connection.execute(pairs).partitions(PART):
        for row in rows:
            if same_number((row.number, row.region), (row.other, row.other_region), numbers.default_region):
                found[row.other].append(row.seq)
    return found


def tail(address: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """The digits that every spelling of a number ends with; of shorter texts something else."""
    return sa.func.substr(address, sa.func.length(address) - (TAIL - 1), type_=sa.String())


def _refuse(
    connection: Connection,
    change: sa.Table,
    seqs: Sequence[int],
    channel: str,
    at: datetime | None,
    now: datetime,
) -> None:
    """Unless their own spelling said yes after that, or no at least as late. A no without a time stands always."""
    status, known = change.c[f"{channel}_status"], change.c[f"{channel}_at"]
    stands = (status == OPTED_OUT) & known.is_(None)
    if at is not None:
        moment, today = sa.literal(at, UtcDateTime()), sa.literal(now, UtcDateTime())
        stands |= (status == OPTED_OUT) & (known >= moment)
        stands |= (status == OPTED_IN) & (known > moment) & (known <= today)
    for start in range(0, len(seqs), PART):
        connection.execute(
            change.update()
            .where(change.c.seq.in_(seqs[start : start + PART]), sa.case((stands, 0), else_=1) == 1)
            .values({status.name: OPTED_OUT, known.name: at})
        )
