"""What `doctor` proves of a Klaviyo account, with one cheap call each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from audience_assets.destinations.base import BadBatch, BadRows, DestinationError, Finding
from audience_assets.destinations.examining import attempt
from audience_assets.destinations.klaviyo.client import KlaviyoClient

# No contact can have this address (RFC 2606), so the lookup answers an empty page.
_NOBODY = "nobody@audience-assets.invalid"


def examine(client: KlaviyoClient, list_name: str | None, channels: Sequence[str]) -> Iterator[Finding]:
    """Of a subscription list: findings in the order of the checks; a key that is not accepted ends them."""
    credentials, is_known = _credentials(client)
    yield credentials
    if not is_known:
        return
    yield _revision(client)
    yield attempt("reading lists", lambda: client.lists_named(list_name or _NOBODY))
    yield attempt("reading profiles and consent", lambda: list(client.profiles("email", [_NOBODY])))
    yield attempt("writing consent", lambda: _write_nothing(client))
    if list_name is not None:
        yield from _list(client, list_name)
    if "sms" in channels:
        yield Finding(
            "sms",
            True,
            "Klaviyo tells only on sending which countries the account can text; numbers it can't take are "
            "rejected one by one, and the e-mail half goes on",
        )


def examine_audience_list(client: KlaviyoClient, list_name: str | None) -> Iterator[Finding]:
    """Of an audience list, likewise."""
    credentials, is_known = _credentials(client)
    yield credentials
    if not is_known:
        return
    yield _revision(client)
    yield attempt("reading lists", lambda: client.lists_named(list_name or _NOBODY))
    yield attempt("reading import jobs", client.newest_import_jobs)
    yield attempt("importing profiles", lambda: _import_nothing(client))
    if list_name is not None:
        yield from _list(client, list_name)


def examine_list(client: KlaviyoClient, list_name: str | None, list_id: str | None) -> Iterator[Finding]:
    """Of a list alone, known by its id, or else by its name."""
    credentials, is_known = _credentials(client)
    yield credentials
    if not is_known:
        return
    yield _revision(client)
    if list_id is not None:
        found = attempt("list", lambda: client.list(list_id))
        yield replace(found, message=f"list {list_id} exists") if found.ok else found
        return
    yield attempt("reading lists", lambda: client.lists_named(list_name or _NOBODY))
    if list_name is not None:
        yield from _list(client, list_name)


def _credentials(client: KlaviyoClient) -> tuple[Finding, bool]:
    """What to say of the key, and whether Klaviyo knows it."""
    try:
        account = client.account()
    except DestinationError as error:
        # Else the key is known, and only accounts:read is missing.
        return Finding("credentials", False, str(error)), error.status == 403
    return Finding("credentials", True, f"the key belongs to account {account.get('id')}"), True


def _revision(client: KlaviyoClient) -> Finding:
    applied = client.answered_revision
    if applied is None or applied == client.revision:
        return Finding("revision", True, f"API revision {client.revision}")
    return Finding(
        "revision", False, f"Klaviyo applies API revision {applied}, not the {client.revision} that is asked for"
    )


def _write_nothing(client: KlaviyoClient) -> None:
    """A consent call about nobody: a key without the scopes is refused, any other finds nothing to do."""
    try:
        client.unsubscribe(None, [])
    except (BadBatch, BadRows):
        return


def _import_nothing(client: KlaviyoClient) -> None:
    """An import of nobody, likewise."""
    try:
        client.start_import(None, [])
    except (BadBatch, BadRows):
        return


def _list(client: KlaviyoClient, name: str) -> Iterator[Finding]:
    try:
        found = client.lists_named(name)
    except DestinationError:
        return  # reading lists has failed already and said why
    if len(found) > 1:
        ids = ", ".join(str(each["id"]) for each in found)
        yield Finding("list", False, f"there are {len(found)} lists called {name!r}: {ids}")
    elif not found:
        yield Finding("list", True, f"there is no list {name!r} yet; the first sync creates it")
    else:
        process = str(found[0]["attributes"].get("opt_in_process") or "unknown")
        yield Finding("list", True, f"list {name!r} ({found[0]['id']}) exists; its opt-in process is {process}")
