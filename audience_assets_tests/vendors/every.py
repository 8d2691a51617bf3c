"""All services there are, by e-mail address. A new one is one line: every suite that goes through them takes it up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from audience_assets.sandbox import Sandbox
from audience_assets_tests.vendors import dotdigital, emarsys, iterable, klaviyo
from audience_assets_tests.vendors.account import VendorAccount

SERVICES: Mapping[str, type[VendorAccount]] = {
    each.service: each
    for each in (
        klaviyo.SubscriptionList,
        klaviyo.AudienceList,
        klaviyo.SftpImport,
        iterable.ContactList,
        emarsys.ContactList,
        dotdigital.ContactList,
    )
}
# Whose lists say nothing of consent; the others have histories of their own.
CONTACT_LISTS = [name for name in SERVICES if name != klaviyo.SubscriptionList.service]


@contextmanager
def served(service: str, name: str) -> Iterator[tuple[VendorAccount, str]]:
    """An account of the service at a twin of its own, and the twin's address."""
    kind = SERVICES[service]
    with Sandbox([kind.twin()]) as sandbox:
        yield kind.open(sandbox, name), sandbox.url_of(kind.kind().name)
