"""One call that changes a list, and what Emarsys says of each value in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from audience_assets.destinations.base import BadBatch
from audience_assets.destinations.emarsys.client import EmarsysClient
from audience_assets.destinations.emarsys.endpoints import CAPS, EMAIL_FIELD, ID_KEY, Code
from audience_assets.destinations.emarsys.errors import NobodyKnown
from audience_assets.destinations.emarsys.row_errors import RowErrors, all_unknown, folded


@dataclass(frozen=True)
class ListCall:
    """`change` is the client's `add` or `remove`. Both may be repeated."""

    client: EmarsysClient
    change: Callable[[str, str, Sequence[str]], RowErrors]
    list_id: str

    def by_email(self, addresses: Sequence[str]) -> RowErrors:
        """BadBatch if it can't be told which row an error belongs to."""
        try:
            said = self.change(self.list_id, EMAIL_FIELD, addresses)
        except NobodyKnown:
            if len(addresses) == 1:
                return all_unknown(addresses)
            return self._without_the_unknown(addresses)
        if not said.strays(addresses):
            return said
        if len(addresses) == 1:
            # Then it can only be about this one.
            return RowErrors({folded(addresses[0]): set[int]().union(*said.codes.values())})
        raise BadBatch("Emarsys says something of an address that was not sent.")

    def by_id(self, ids: Sequence[str]) -> RowErrors:
        """At most 10,000 ids a request, as many requests as it takes."""
        codes: dict[str, set[int]] = {}
        for part in chunks(ids, CAPS.list_change):
            try:
                said = self.change(self.list_id, ID_KEY, part)
            except NobodyKnown:
                said = all_unknown(part)
            codes |= said.codes
        return RowErrors(codes)

    def _without_the_unknown(self, addresses: Sequence[str]) -> RowErrors:
        """Find out whether really nobody is known, which decides the batch: it is not repeated row by row."""
        unknown: list[str] = []
        for part in chunks(addresses, CAPS.check_ids):
            found = self.client.contact_ids(part)
            unknown += [address for address in part if not found.knows(address)]
        codes = all_unknown(unknown).codes
        if len(unknown) == len(addresses):
            return RowErrors(codes)
        left_out = {folded(address) for address in unknown}
        known = [address for address in addresses if folded(address) not in left_out]
        return RowErrors(codes | self.change(self.list_id, EMAIL_FIELD, known).codes)


def contact_ids(client: EmarsysClient, addresses: Sequence[str]) -> dict[str, set[str]]:
    """Internal ids by address; none for whom nobody knows."""
    found: dict[str, set[str]] = {}
    for part in look_ups(addresses):
        answer = client.contact_ids(part, every=True)
        for address in part:
            several = Code.SEVERAL_CONTACTS in answer.errors.of(address)
            ids = client.query_ids(address) if several else answer.ids.get(folded(address), [])
            found[address] = set(ids)
    return found


def contacts_sharing(client: EmarsysClient, addresses: Sequence[str]) -> dict[str, list[str]]:
    """The internal ids of everybody with these addresses.

    How the bulk call answers about shared addresses is not documented, so who gets less than two ids from it is
    asked for alone.
    """
    found: dict[str, list[str]] = {}
    for part in look_ups(addresses):
        answer = client.contact_ids(part, every=True)
        for address in part:
            ids = answer.ids.get(folded(address), [])
            found[address] = ids if len(ids) > 1 else client.query_ids(address)
    return found


def look_ups(addresses: Sequence[str]) -> Iterator[Sequence[str]]:
    """What each look-up asks for: never two spellings of one address, whose answers could not be told apart."""
    rounds: list[dict[str, str]] = []
    for address in dict.fromkeys(addresses):
        free = next((each for each in rounds if folded(address) not in each), None)
        if free is None:
            rounds.append(free := {})
        free[folded(address)] = address
    for each in rounds:
        yield from chunks(list(each.values()), CAPS.check_ids)


def chunks(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
