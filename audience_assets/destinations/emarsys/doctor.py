"""What `doctor` proves of an Emarsys account, with one cheap call each; nothing is changed.

Permissions to write are tried on list 0, which no account has: without the permission the call is forbidden, with it
there is no such list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from audience_assets.destinations.base import DestinationError, Finding, ListMissing, Misconfigured, Unauthorized
from audience_assets.destinations.emarsys.client import EmarsysClient
from audience_assets.destinations.emarsys.endpoints import EMAIL_FIELD
from audience_assets.destinations.emarsys.names import is_safe, lists_named
from audience_assets.destinations.emarsys.settings import HOST, EmarsysSettings

# No contact can have this address (RFC 2606).
_NOBODY = "nobody@audience-assets.invalid"
_NO_LIST = "0"
_PLAIN_TYPE = 0


def examine(client: EmarsysClient, settings: EmarsysSettings, list_name: str | None) -> Iterator[Finding]:
    """Findings in the order of the checks; credentials that are not accepted end them."""
    lists: list[dict[str, Any]] | None = None
    try:
        lists = client.lists()
    except DestinationError as error:
        if not isinstance(error, Unauthorized) or error.status != 403:
            yield Finding("credentials", False, str(error))
            return
        # Known, then, and only not allowed to read lists.
        yield _credentials(settings)
        yield Finding("reading lists", False, str(error))
    else:
        yield _credentials(settings)
        yield Finding("reading lists", True, f"allowed; the account has {len(lists)}")
    yield _region(settings)
    yield _allowed("adding to lists", lambda: client.add(_NO_LIST, EMAIL_FIELD, [_NOBODY]))
    yield _allowed("removing from lists", lambda: client.remove(_NO_LIST, EMAIL_FIELD, [_NOBODY]))
    yield _allowed("reading members", lambda: next(client.member_ids(_NO_LIST, page=1)))
    yield _allowed("reading addresses", lambda: client.addresses([_NO_LIST]))
    # Needed to take out an address that several contacts have come to share, whatever `duplicates` says.
    yield _allowed("looking contacts up", lambda: client.contact_ids([_NOBODY], every=True))
    yield _allowed("querying contacts", lambda: client.query_ids(_NOBODY))
    if list_name is not None and lists is not None:
        yield from _list(client, lists, list_name)


def _credentials(settings: EmarsysSettings) -> Finding:
    if settings.version == "v3":
        return Finding("credentials", True, "OAuth 2.0, API v3")
    message = (
        "X-WSSE, API v2: Emarsys ends it with the year 2026. Make OAuth 2.0 credentials and give client_id instead"
    )
    return Finding("credentials", True, message)


def _region(settings: EmarsysSettings) -> Finding:
    if settings.base_url == HOST:
        return Finding("region", True, f"{HOST} serves all regions")
    return Finding("region", True, f"base_url is {settings.base_url}, not {HOST}, which serves all regions")


def _allowed(check: str, call: Callable[[], object]) -> Finding:
    try:
        call()
    except ListMissing:
        pass
    except DestinationError as error:
        return Finding(check, False, str(error))
    return Finding(check, True, "allowed")


def _list(client: EmarsysClient, lists: list[dict[str, Any]], name: str) -> Iterator[Finding]:
    found = lists_named(lists, name)
    if len(found) > 1:
        ids = ", ".join(str(each["id"]) for each in found)
        yield Finding("list", False, f"there are {len(found)} contact lists called {name!r}: {ids}")
    elif found:
        kind = found[0].get("type")
        plain = kind in (None, _PLAIN_TYPE, str(_PLAIN_TYPE))
        said = "a contact list" if plain else f"of type {kind}, which Emarsys does not document"
        yield Finding("list", plain, f"list {name!r} ({found[0]['id']}) exists; it is {said}")
    else:
        yield _creating(client, name)


def _creating(client: EmarsysClient, name: str) -> Finding:
    try:
        # A list without a name is not made: it only shows whether one might be.
        client.create_list("", None)
    except Unauthorized as error:
        return Finding("list", False, str(error))
    except Misconfigured:
        pass
    except DestinationError as error:
        return Finding("list", False, str(error))
    hint = "" if is_safe(name) else ". Emarsys may refuse the name: letters, digits, blanks, _ and - are safe"
    return Finding("list", True, f"there is no list {name!r} yet; the first sync creates it{hint}")
