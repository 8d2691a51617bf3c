"""What `doctor` proves of a Dotdigital account, with one cheap call each. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterator

from audience_assets.destinations.base import DestinationError, Finding, Unauthorized, Unavailable
from audience_assets.destinations.dotdigital.client import DotdigitalClient
from audience_assets.destinations.dotdigital.lists import VISIBILITY, Lists, name_fault
from audience_assets.destinations.dotdigital.pace import LOW
from audience_assets.destinations.dotdigital.settings import DotdigitalSettings
from audience_assets.destinations.examining import attempt

# No contact can have this address (RFC 2606), so the lookup finds nobody.
_NOBODY = "nobody@audience-assets.invalid"


def examine(
    client: DotdigitalClient, settings: DotdigitalSettings, list_name: str | None, visibility: str | None
) -> Iterator[Finding]:
    """Findings in the order of the checks; a password that is not accepted ends them, and so does an outage."""
    try:
        account = client.account_info()
    except DestinationError as error:
        yield Finding("credentials", False, str(error))
        if isinstance(error, Unauthorized | Unavailable):
            return
        account = {}
    else:
        yield Finding("credentials", True, "the API user is accepted")
    yield _region(client, settings, account.get("ApiEndpoint", "").rstrip("/"))
    yield attempt("reading contacts", lambda: client.contact("email", _NOBODY))
    yield from _list(client, list_name, visibility)
    yield _limits(client, settings, account)


def _region(client: DotdigitalClient, settings: DotdigitalSettings, told: str) -> Finding:
    """`told` is the address that the account's information names, if it does."""
    if not settings.find_region:
        # It may be a proxy's address. Where it is another region's, what follows fails.
        other = f"; the account says it is at {told}" if told not in ("", settings.base_url) else ""
        return Finding("region", True, f"base_url is {settings.base_url}, and find_region is off{other}")
    try:
        return Finding("region", True, f"the account is at {client.region()}")
    except DestinationError as error:
        return Finding("region", False, str(error))


def _list(client: DotdigitalClient, name: str | None, visibility: str | None) -> Iterator[Finding]:
    fault = name_fault(name) if name is not None else None
    if fault:
        yield Finding("list name", False, fault)
    wanted = _NOBODY if name is None or fault else name
    try:
        found = Lists(client, visibility).find(wanted)
    except DestinationError as error:
        yield Finding("reading lists", False, str(error))
        return
    yield Finding("reading lists", True, "allowed")
    if name is None or fault:
        return
    if found is None:
        shown = visibility or "private"
        yield Finding("list", True, f"there is no list {name!r} yet; the first sync creates it, {shown}")
        return
    shown = found.facts[VISIBILITY]
    change = f"; the next delivery makes it {visibility}" if visibility not in (None, shown) else ""
    yield Finding("list", True, f"list {name!r} ({found.id}) exists; it is {shown}{change}")


def _limits(client: DotdigitalClient, settings: DotdigitalSettings, account: dict[str, str]) -> Finding:
    """Which scheme answers show, beside the one that is set."""
    if client.tier_told and settings.rate_limits == "flat":
        message = "the answers tell of tiers, and rate_limits is flat: set it to tiered"
        return Finding("rate limits", False, message)
    if client.tier_told:
        return Finding("rate limits", True, f"tiered; Low has {client.pace.told[LOW]} calls a minute")
    left = account.get("ApiCallsRemaining")
    known = f"; {left} calls are left this hour" if left else ""
    if settings.rate_limits == "flat":
        return Finding("rate limits", True, f"{settings.flat_per_hour:,} calls an hour{known}")
    message = f"the answers tell of no tiers: the user's scheme may be flat; then set rate_limits: flat{known}"
    return Finding("rate limits", True, message)
