"""An Emarsys account: settings, lists by name, members, doctor, and what the service declares."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from audience_assets.destinations.base import ListRef, Misconfigured, Operation, RemoteMember, Unauthorized
from audience_assets.destinations.emarsys import EMARSYS
from audience_assets.destinations.emarsys.client import EmarsysClient
from audience_assets.destinations.emarsys.settings import EmarsysSettings
from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.sandbox import Action, Fault
from audience_assets.sandbox.emarsys import ALL_PERMISSIONS
from audience_assets_tests.destinations.emarsys_world import (
    LIST_NAME,
    EmarsysWorld,
    emarsys,
    emarsys_world,
    reader,
)

__all__ = ["emarsys"]

SPEC = EMARSYS.services["emarsys.contact_list"]
OAUTH = {"client_id": "ab-12", "client_secret": "hush"}
WSSE = {"username": "shop001", "user_secret": "hush"}


def test_the_vendor_is_registered() -> None:
    assert DESTINATIONS["emarsys"] is EMARSYS
    assert all(name == spec.name for name, spec in EMARSYS.services.items())
    assert not SPEC.creates_contacts
    assert not SPEC.carries_consent
    assert list(SPEC.identifiers(SPEC.options_model())) == list(SPEC.required(SPEC.options_model())) == ["email"]
    assert max(SPEC.batch_sizes.values()) <= 10_000
    assert list(SPEC.tracked(SPEC.options_model())) == []
    assert list(SPEC.tracked(SPEC.options_model.model_validate({"email_case": "as_written"}))) == ["email"]


@pytest.mark.parametrize(("given", "version"), [(OAUTH, "v3"), (WSSE, "v2")], ids=["OAuth 2.0", "X-WSSE"])
def test_secrets_are_never_shown(given: dict[str, str], version: str) -> None:
    settings = EmarsysSettings.model_validate(given)
    assert settings.version == version
    for shown in (repr(settings), settings.model_dump_json(), EMARSYS.account(settings)):
        assert "hush" not in shown
    assert set(EMARSYS.secret_fields) == {"client_secret", "user_secret"}


@pytest.mark.parametrize(
    "given",
    [{}, {"client_id": "a"}, {"client_secret": "b"}, {**OAUTH, **WSSE}, {**OAUTH, "username": "x"}, {"username": "x"}],
)
def test_one_whole_pair_of_credentials_is_needed(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="client_id and client_secret"):
        EmarsysSettings.model_validate(given)


def test_addresses_lose_the_slash_at_their_end() -> None:
    settings = EmarsysSettings.model_validate({**OAUTH, "token_url": "https://x.accounts.ondemand.com/oauth2/token/"})
    assert settings.token_url == "https://x.accounts.ondemand.com/oauth2/token"
    with pytest.raises(ValidationError):
        EmarsysSettings.model_validate({**OAUTH, "base_url": "api.emarsys.net"})


def test_limits_are_counted_for_each_pair_of_credentials() -> None:
    def named(**settings: str) -> str:
        return EMARSYS.account(EmarsysSettings.model_validate({**OAUTH, **settings}))

    assert named() == named(client_secret="renewed")
    assert named() != named(client_id="other")
    assert named(account="shop") == "emarsys-shop"


class TestLists:
    @pytest.mark.parametrize("name", ["spring READERS", " Spring readers"])
    def test_a_name_that_emarsys_finds_equal_is_adopted(self, emarsys: EmarsysWorld, name: str) -> None:
        made = emarsys.account.create_list(name)
        found = emarsys.service().ensure_list(LIST_NAME)
        assert (found.id, found.name, found.created) == (str(made.id), name, False)

    def test_the_exact_name_is_preferred_and_several_are_an_error(self) -> None:
        with emarsys_world(names_fold_case=False) as world:
            first, second = world.make_list("VIPS"), world.make_list("vips")
            assert world.service().ensure_list("vips").id == second.id
            with pytest.raises(Misconfigured) as caught:
                world.service().ensure_list("Vips")
            assert all(each in str(caught.value) for each in (first.id, second.id))

    def test_a_new_list_is_empty_and_described(self, emarsys: EmarsysWorld) -> None:
        made = emarsys.service(description="From the warehouse").ensure_list(LIST_NAME)
        [body] = emarsys.calls("createContactList")
        assert body == {"key_id": "3", "name": LIST_NAME, "description": "From the warehouse"}
        assert emarsys.account.list_named(LIST_NAME).description == "From the warehouse"
        assert emarsys.listed(made) == []

    def test_a_lost_answer_makes_no_second_list(self, emarsys: EmarsysWorld) -> None:
        emarsys.sandbox.faults.add(Fault(Action.RESET_AFTER, "createContactList", times=1))
        made = emarsys.service().ensure_list(LIST_NAME)
        assert made.created
        assert [each.name for each in emarsys.account.lists] == [LIST_NAME]
        assert len(emarsys.calls("createContactList")) == 1

    def test_who_was_faster_made_the_list(self, emarsys: EmarsysWorld) -> None:
        def faster(_request: object) -> None:
            emarsys.account.create_list(LIST_NAME)

        emarsys.sandbox.faults.add(Fault(Action.HOOK_BEFORE, "createContactList", hook=faster))
        found = emarsys.service().ensure_list(LIST_NAME)
        assert (found.created, found.facts["adopted"]) == (False, "yes")

    def test_a_name_that_emarsys_refuses_says_what_is_safe(self, emarsys: EmarsysWorld) -> None:
        with pytest.raises(Misconfigured, match="Set another list_name"):
            emarsys.service().ensure_list("tab\there")

    def test_a_renamed_list_is_the_same_list(self, emarsys: EmarsysWorld) -> None:
        target = emarsys.make_list()
        emarsys.account.list_named(LIST_NAME).name = "By hand"
        assert emarsys.service().get_list(target.id).name == "By hand"


class TestMembers:
    def test_they_are_read_with_id_and_address(self, emarsys: EmarsysWorld) -> None:
        emarsys.know("Ann@Example.com", "bob@example.com")
        target = emarsys.make_list()
        emarsys.service().add(target, [reader("ann@example.com"), reader("bob@example.com")])
        found = list(emarsys.service().members(target))
        assert found == [
            RemoteMember("101", {"email": "Ann@Example.com"}),
            RemoteMember("102", {"email": "bob@example.com"}),
        ]

    @pytest.mark.parametrize("bare", [False, True])
    def test_pages_follow_each_other(self, bare: bool) -> None:
        with emarsys_world(bare_pages=bare) as world:
            people = [f"person{number}@example.com" for number in range(25)]
            world.know(*people)
            target = world.make_list()
            world.service().add(target, [reader(email) for email in people])
            client = EmarsysClient(world.settings(), world.limiter, lambda: world.now)
            pages = list(client.member_ids(target.id, page=10))
            assert [len(page) for page in pages] == [10, 10, 5]
            assert len({each for page in pages for each in page}) == 25

    def test_who_is_deleted_meanwhile_has_no_address(self, emarsys: EmarsysWorld) -> None:
        emarsys.know("ann@example.com")
        target = emarsys.make_list()
        emarsys.service().add(target, [reader("ann@example.com")])

        def vanish(_request: object) -> None:
            emarsys.account.delete_contacts("ann@example.com")

        emarsys.sandbox.faults.add(Fault(Action.HOOK_BEFORE, "getContactData", hook=vanish))
        assert list(emarsys.service().members(target)) == [RemoteMember("101", {"email": None})]

    def test_an_account_without_the_call_says_so(self) -> None:
        with emarsys_world(contact_ids_on_v3=False) as world:
            target = world.make_list()
            with pytest.raises(Misconfigured, match="does not let this account read"):
                list(world.service().members(target))
            assert [f.check for f in world.service().check(target.name) if not f.ok] == ["reading members"]


def findings(world: EmarsysWorld, name: str = LIST_NAME, **settings: Any) -> dict[str, tuple[bool, str]]:
    return {found.check: (found.ok, found.message) for found in world.service(settings).check(name)}


class TestDoctor:
    def test_each_permission_is_proved_and_nothing_changes(self, emarsys: EmarsysWorld) -> None:
        found = findings(emarsys)
        assert all(ok for ok, _ in found.values()), found
        assert list(found) == [
            "credentials",
            "reading lists",
            "region",
            "adding to lists",
            "removing from lists",
            "reading members",
            "reading addresses",
            "looking contacts up",
            "querying contacts",
            "list",
        ]
        assert emarsys.account.lists == []
        assert len(emarsys.account.contacts) == 0

    @pytest.mark.parametrize("bare", [False, True])
    @pytest.mark.parametrize(
        ("permission", "check"),
        [
            ("contactlist.list", "reading lists"),
            ("contactlist.contact.add", "adding to lists"),
            ("contactlist.contact.delete", "removing from lists"),
            ("contactlist.contact.ids", "reading members"),
            ("contact.getdata", "reading addresses"),
            ("contact.contactid.verify", "looking contacts up"),
            ("contact.list", "querying contacts"),
            ("contactlist.create", "list"),
        ],
    )
    def test_the_missing_permission_is_named(
        self, emarsys: EmarsysWorld, permission: str, check: str, bare: bool
    ) -> None:
        emarsys.switches.bare_forbidden = bare
        emarsys.sandbox.emarsys.credentials.find("client").permissions = ALL_PERMISSIONS - {permission}
        found = findings(emarsys)
        assert [name for name, (ok, _) in found.items() if not ok] == [check]
        assert permission in found[check][1]
        assert "Security Settings" in found[check][1]

    def test_the_list_and_its_type_are_told(self, emarsys: EmarsysWorld) -> None:
        emarsys.make_list()
        ok, message = findings(emarsys)["list"]
        assert ok
        assert "exists" in message
        emarsys.account.create_list("Of another kind", kind=3)
        ok, message = findings(emarsys, "Of another kind")["list"]
        assert not ok
        assert "type 3" in message

    def test_a_name_that_may_be_refused_is_told(self, emarsys: EmarsysWorld) -> None:
        assert "may refuse" not in findings(emarsys)["list"][1]
        assert "may refuse" in findings(emarsys, "Readers (spring)")["list"][1]

    def test_wrong_credentials_end_it(self, emarsys: EmarsysWorld) -> None:
        assert list(findings(emarsys, client_secret="wrong")) == ["credentials"]
        ok, message = findings(emarsys, token_url=emarsys.sandbox.url_of("emarsys") + "/elsewhere")["credentials"]
        assert not ok
        assert "token_url" in message

    def test_the_end_of_wsse_is_told(self, emarsys: EmarsysWorld) -> None:
        emarsys.version = "v2"
        ok, message = findings(emarsys)["credentials"]
        assert ok
        assert "ends it with the year 2026" in message

    def test_an_unusual_host_is_told(self, emarsys: EmarsysWorld) -> None:
        assert "https://api.emarsys.net" in findings(emarsys)["region"][1]


def test_a_missing_permission_stops_the_sync_by_name(emarsys: EmarsysWorld) -> None:
    target = emarsys.make_list()
    emarsys.sandbox.emarsys.credentials.find("client").permissions = ALL_PERMISSIONS - {"contactlist.contact.add"}
    with pytest.raises(Unauthorized, match=r"contactlist\.contact\.add"):
        emarsys.service().add(target, [reader("ann@example.com")])
    assert len(emarsys.calls("addContactsToContactList")) == 1, "no use in repeating"


def test_the_estimate_is_what_is_called(emarsys: EmarsysWorld) -> None:
    service = emarsys.service()
    size = SPEC.batch_sizes[Operation.ADD]
    found = service.estimate(adds=3 * size + 1, updates=0, removes=size)
    assert {each.endpoint.name: each.calls for each in found} == {
        "add_contacts_to_list": 4,
        "remove_contacts_from_list": 1,
    }
    assert {each.endpoint.key for each in found} == {"requests"}
    assert service.estimate(adds=0, updates=0, removes=0) == []


def test_a_target_of_the_state_is_enough(emarsys: EmarsysWorld) -> None:
    emarsys.know("ann@example.com")
    made = emarsys.make_list()
    emarsys.service().add(ListRef(made.id, "whatever it was called"), [reader("ann@example.com")])
    assert emarsys.listed(made) == ["ann@example.com"]
