"""Every contact list, through any history (histories.py). A vendor of its own kind adds the rules of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis.stateful import rule, run_state_machine_as_test

from audience_assets_tests.sync.histories import NAMES, SETTINGS, ListHistory, connected
from audience_assets_tests.vendors import emarsys
from audience_assets_tests.vendors.every import CONTACT_LISTS, SERVICES


class EmarsysHistory(ListHistory):
    """Contacts may share an address."""

    account: emarsys.ContactList

    @rule(name=NAMES)
    def another_contact_has_it(self, name: str) -> None:
        """The address becomes known, or a shared one."""
        email = f"{name}@x.com"
        if len(self.account.account.find(email)) < 3 and email not in self.opted_out:
            self.account.know([email])
            self.known.append(email)

    @rule(name=NAMES)
    def contacts_are_merged(self, name: str) -> None:
        """The newest of those who share an address is deleted, as Emarsys' own clearing up does."""
        shared = self.account.account.find(f"{name}@x.com")
        if len(shared) > 1:
            self.account.account.contacts.delete(shared[-1])
            for each in self.account.account.lists:
                each.remove([shared[-1].id])
            self.known.remove(f"{name}@x.com")


MACHINES = {emarsys.ContactList.service: EmarsysHistory}


@pytest.mark.long
@pytest.mark.parametrize("service", CONTACT_LISTS)
def test_any_history(service: str, tmp_path: Path) -> None:
    with connected(MACHINES.get(service, ListHistory), SERVICES[service], tmp_path) as machine:
        run_state_machine_as_test(machine, settings=SETTINGS)
