"""A Dotdigital account: settings, region, limits, doctor, and its lists by name."""

from __future__ import annotations

import logging

import pytest
from pydantic import ValidationError

from audience_assets.destinations.base import (
    ListRef,
    Misconfigured,
    Operation,
    Status,
    Throttled,
    Unauthorized,
    Unavailable,
)
from audience_assets.destinations.dotdigital import DOTDIGITAL
from audience_assets.destinations.dotdigital.client import trusted_address
from audience_assets.destinations.dotdigital.settings import ContactListOptions, DotdigitalSettings
from audience_assets.destinations.limits import floor_seconds
from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.sandbox import Action, Fault
from audience_assets.sandbox.dotdigital import AccountSettings
from audience_assets_tests.destinations.dotdigital_world import (
    LIST_NAME,
    PASSWORD,
    USER,
    DotdigitalWorld,
    by_email,
    dotdigital,
    statuses,
)

__all__ = ["dotdigital"]

SPEC = DOTDIGITAL.services["dotdigital.contact_list"]
ANN = "ann@shop-customers.com"
FLAT = {"api_user": "flat@apiconnector.com", "rate_limits": "flat"}


def test_the_vendor_is_registered() -> None:
    assert DESTINATIONS["dotdigital"] is DOTDIGITAL
    assert all(name == spec.name for name, spec in DOTDIGITAL.services.items())


def test_the_password_is_never_shown() -> None:
    settings = DotdigitalSettings.model_validate({"api_user": USER, "password": PASSWORD})
    assert PASSWORD not in repr(settings) + settings.model_dump_json() + DOTDIGITAL.account(settings)
    assert USER not in DOTDIGITAL.account(settings)
    assert DOTDIGITAL.secret_fields == ("password",)


def test_users_of_one_account_can_share_its_limits() -> None:
    def named(**settings: str) -> str:
        return DOTDIGITAL.account(DotdigitalSettings.model_validate({"password": "x", **settings}))

    assert named(api_user="A@apiconnector.com") == named(api_user="a@apiconnector.com", password="y")
    assert named(api_user="a") != named(api_user="b")
    assert named(api_user="a", account="shop") == named(api_user="b", account="shop") == "dotdigital-shop"


@pytest.mark.parametrize("kind", ["contact_id", "email", "phone"])
def test_the_identifier_must_be_mapped(kind: str) -> None:
    options = ContactListOptions.model_validate({"identifier": kind})
    assert list(SPEC.identifiers(options)) == list(SPEC.required(options)) == [kind]
    assert list(SPEC.tracked(options)) == (["region"] if kind == "phone" else [])
    with pytest.raises(ValidationError):
        ContactListOptions.model_validate({"identifier": "name"})


# -- region -----------------------------------------------------------------------------------------------------------


def test_the_region_is_found_once_and_everything_else_goes_there(dotdigital: DotdigitalWorld) -> None:
    dotdigital.account.settings.region = "r2"
    service = dotdigital.service()
    target = service.ensure_list(LIST_NAME)
    assert statuses(service.add(target, [by_email(ANN)])) == {ANN: Status.ACCEPTED}
    paths = [entry.path for entry in dotdigital.sandbox.requests]
    assert paths[0] == "/v2/account-info"
    assert all(path.startswith("/r2/") for path in paths[1:])


def test_another_regions_address_is_explained(dotdigital: DotdigitalWorld) -> None:
    dotdigital.account.settings.region = "r3"
    with pytest.raises(Misconfigured, match="find_region"):
        dotdigital.service(settings={"find_region": False}).find_list(LIST_NAME)


def test_the_proxys_challenge_passes(dotdigital: DotdigitalWorld) -> None:
    service = dotdigital.service()
    dotdigital.sandbox.faults.add(Fault(Action.CHALLENGE, times=1))
    assert service.find_list(LIST_NAME) is None


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        ("https://r3-api.dotdigital.com/", "https://r3-api.dotdigital.com"),
        ("https://r1-api.dotmailer.com", "https://r1-api.dotmailer.com"),
        ("http://127.0.0.1:99/", "http://127.0.0.1:99"),
        ("", "http://127.0.0.1:99"),
        ("http://r3-api.dotdigital.com/", None),
        ("https://dotdigital.com.example.org/", None),
        ("https://somebody@r1-api.dotdigital.com/", None),
        ("https://r1-api.dotdigital.com:8443/", None),
    ],
)
def test_the_password_goes_to_dotdigital_only(told: str, taken: str | None) -> None:
    if taken is None:
        with pytest.raises(Misconfigured):
            trusted_address(told, "http://127.0.0.1:99")
    else:
        assert trusted_address(told, "http://127.0.0.1:99") == taken


# -- rate limits ------------------------------------------------------------------------------------------------------


def test_the_accounts_answers_tell_the_tiers(dotdigital: DotdigitalWorld) -> None:
    dotdigital.vendor.tiers["lowCallRate"] = 3
    service, target = dotdigital.service(), dotdigital.make_list()
    before = dotdigital.clock.now()
    for number in range(8):
        service.add(target, [by_email(f"person{number}@example.com")])
    # A feed, eight imports and eight readings of Low, three a minute; only before the first answer may one be refused.
    assert dotdigital.clock.now() - before >= 5 * 60
    assert sum(entry.status == 429 for entry in dotdigital.sandbox.requests) <= 1


@pytest.mark.parametrize("moment", [True, False])
def test_a_used_up_tier_is_waited_for(dotdigital: DotdigitalWorld, moment: bool) -> None:
    dotdigital.switches.reset_is_a_moment = moment
    dotdigital.clock.advance(20)
    service = dotdigital.service(settings={"low_tier_per_minute": 1000})
    dotdigital.vendor.tiers["mediumCallRate"] = 1
    before = dotdigital.clock.now()
    for number in range(2):
        service.find_list(f"List {number}")
    dotdigital.service(settings={"low_tier_per_minute": 1000}).find_list("List 3")
    assert 39 <= dotdigital.clock.now() - before <= 130
    assert 429 in {entry.status for entry in dotdigital.sandbox.requests}


def test_the_flat_limit_is_kept(dotdigital: DotdigitalWorld) -> None:
    dotdigital.vendor.account("demo", user=FLAT["api_user"], password=PASSWORD, scheme="flat")
    dotdigital.vendor.flat_calls = 10
    service = dotdigital.service(settings={**FLAT, "flat_per_hour": 10})
    for _ in range(9):
        service.find_list(LIST_NAME)
    with pytest.raises(Throttled):
        service.find_list(LIST_NAME)
    assert {entry.status for entry in dotdigital.sandbox.requests} == {200}


def test_a_flat_limit_that_others_used_up_is_waited_for(dotdigital: DotdigitalWorld) -> None:
    dotdigital.vendor.account("demo", user=FLAT["api_user"], password=PASSWORD, scheme="flat")
    dotdigital.vendor.flat_calls = 10
    service = dotdigital.service(settings=FLAT)
    service.find_list(LIST_NAME)
    dotdigital.account.calls.extend([dotdigital.clock.now() - 3500] * 10)
    dotdigital.account.calls.rotate(10)
    before = dotdigital.clock.now()
    assert service.find_list(LIST_NAME) is None
    assert 60 <= dotdigital.clock.now() - before <= 240
    assert 400 in {entry.status for entry in dotdigital.sandbox.requests}


def test_an_estimate_counts_what_shares_a_tier(dotdigital: DotdigitalWorld) -> None:
    calls = {
        each.endpoint.name: each.calls for each in dotdigital.service().estimate(adds=1_000_000, updates=0, removes=0)
    }
    assert calls["import_contacts"] == 200
    estimate = dotdigital.service().estimate(adds=1_000_000, updates=0, removes=0)
    low = sum(each.calls for each in estimate if each.endpoint.bucket == "lowCallRate")
    assert floor_seconds(estimate) == 60 * ((low - 1) // 35)
    removing = {
        each.endpoint.name: each.calls for each in dotdigital.service().estimate(adds=0, updates=0, removes=10_000)
    }
    assert removing["remove_contacts"] == 10
    assert "import_contacts" not in removing


def test_batches_fit_the_vendors_caps() -> None:
    assert SPEC.batch_sizes == {Operation.ADD: 5000, Operation.UPDATE: 5000, Operation.REMOVE: 1000}


# -- lists ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "  ", "x" * 129, "Test", "test", "All Contacts", "all contacts "])
def test_a_name_that_can_not_be_is_refused_before_any_call(dotdigital: DotdigitalWorld, name: str) -> None:
    assert SPEC.name_fault is not None
    assert SPEC.name_fault(name)
    for call in (dotdigital.service().find_list, dotdigital.service().ensure_list):
        with pytest.raises(Misconfigured, match="list_name"):
            call(name)
    assert len(dotdigital.sandbox.requests) == 0


def test_the_longest_name_is_taken(dotdigital: DotdigitalWorld) -> None:
    assert dotdigital.service().ensure_list("x" * 128).created


def test_a_list_is_found_on_any_page(dotdigital: DotdigitalWorld) -> None:
    for number in range(1100):
        dotdigital.account.create_list(f"List {number}")
    found = dotdigital.service().find_list("List 1099")
    assert found is not None
    assert found.facts["visibility"] == "private"


def test_a_segments_name_can_not_be_a_lists(dotdigital: DotdigitalWorld) -> None:
    dotdigital.account.segments.add(LIST_NAME)
    with pytest.raises(Misconfigured, match="segment"):
        dotdigital.service().ensure_list(LIST_NAME)


@pytest.mark.parametrize("folds", [True, False])
def test_a_list_in_other_capitals_is_another_list(dotdigital: DotdigitalWorld, folds: bool) -> None:
    dotdigital.switches.names_fold_case = folds
    dotdigital.account.create_list(LIST_NAME.upper())
    assert dotdigital.service().find_list(LIST_NAME) is None
    if folds:
        with pytest.raises(Misconfigured, match="capitals"):
            dotdigital.service().ensure_list(LIST_NAME)
    else:
        assert dotdigital.service().ensure_list(LIST_NAME).created


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize(("visibility", "made"), [(None, "Private"), ("private", "Private"), ("public", "Public")])
def test_a_list_is_made_with_its_visibility(
    dotdigital: DotdigitalWorld, visibility: str | None, made: str, status: int
) -> None:
    dotdigital.switches.created_status = status
    target = dotdigital.service(visibility=visibility).ensure_list(LIST_NAME)
    assert dotdigital.account.list_named(LIST_NAME).visibility == made
    assert target.facts == {"visibility": made.lower(), "adopted": "no"}


def test_an_adopted_list_is_changed_only_where_the_activation_says_so(dotdigital: DotdigitalWorld) -> None:
    dotdigital.account.create_list(LIST_NAME, "Public")
    assert dotdigital.service().ensure_list(LIST_NAME).facts == {"visibility": "public", "adopted": "yes"}
    assert dotdigital.writes() == 0
    changed = dotdigital.service(visibility="private").ensure_list(LIST_NAME)
    assert changed.facts == {"visibility": "private", "adopted": "yes"}
    assert dotdigital.calls("update_list") == [{"name": LIST_NAME, "visibility": "Private"}]


def test_visibility_is_kept_in_step(dotdigital: DotdigitalWorld) -> None:
    target = dotdigital.service(visibility="private").ensure_list(LIST_NAME)
    service = dotdigital.service(visibility="public")
    kept = service.keep_list(service.get_list(target.id))
    assert kept.facts["visibility"] == "public"
    assert dotdigital.account.list_named(LIST_NAME).visibility == "Public"
    assert service.keep_list(kept) == kept
    assert len(dotdigital.calls("update_list")) == 1


def test_a_list_that_was_renamed_keeps_its_new_name(dotdigital: DotdigitalWorld) -> None:
    """The call that changes the visibility wants a name, too, and the one we know may be old."""
    known = dotdigital.service(visibility="private").ensure_list(LIST_NAME)
    dotdigital.account.list_named(LIST_NAME).name = "Autumn readers"
    kept = dotdigital.service(visibility="public").keep_list(known)
    assert (kept.name, kept.facts["visibility"]) == ("Autumn readers", "public")
    assert dotdigital.account.list_named("Autumn readers").visibility == "Public"


def test_a_list_is_made_once_when_the_answer_is_lost(dotdigital: DotdigitalWorld) -> None:
    dotdigital.sandbox.faults.add(Fault(Action.RESET_AFTER, "create_list", times=1))
    target = dotdigital.service().ensure_list(LIST_NAME)
    assert target.created
    assert [each.name for each in dotdigital.account.lists] == [LIST_NAME]


def test_a_list_that_can_not_be_made_is_an_outage(dotdigital: DotdigitalWorld) -> None:
    dotdigital.sandbox.faults.add(Fault(Action.ERROR_BEFORE, "create_list"))
    with pytest.raises(Unavailable):
        dotdigital.service().ensure_list(LIST_NAME)


def test_too_many_lists_are_explained(dotdigital: DotdigitalWorld) -> None:
    dotdigital.account.settings.list_limit = 2
    with pytest.raises(Misconfigured, match="package"):
        dotdigital.service().ensure_list(LIST_NAME)


def test_a_list_id_can_not_be_a_path(dotdigital: DotdigitalWorld) -> None:
    with pytest.raises(Misconfigured):
        dotdigital.service().get_list("1/contacts")


# -- doctor -----------------------------------------------------------------------------------------------------------


def found(world: DotdigitalWorld, name: str | None = LIST_NAME, **options: object) -> dict[str, tuple[bool, str]]:
    return {each.check: (each.ok, each.message) for each in world.service(**options).check(name)}  # type: ignore[arg-type]


def test_doctor_tells_of_the_account_and_writes_nothing(dotdigital: DotdigitalWorld) -> None:
    dotdigital.account.settings = AccountSettings(region="r2")
    findings = found(dotdigital)
    assert all(ok for ok, _ in findings.values()), findings
    assert list(findings) == ["credentials", "region", "reading contacts", "reading lists", "list", "rate limits"]
    assert findings["region"][1].endswith("/r2")
    assert "first sync creates it, private" in findings["list"][1]
    assert "tiered" in findings["rate limits"][1]
    assert dotdigital.writes() == 0


def test_doctor_says_what_will_change_of_the_list(dotdigital: DotdigitalWorld) -> None:
    dotdigital.make_list()
    assert "the next delivery makes it public" in found(dotdigital, visibility="public")["list"][1]
    assert "delivery" not in found(dotdigital, visibility="private")["list"][1]


def test_doctor_minds_the_name(dotdigital: DotdigitalWorld) -> None:
    assert found(dotdigital, "Test")["list name"][0] is False
    assert "list" not in found(dotdigital, None)


def test_doctor_stops_at_a_wrong_password(dotdigital: DotdigitalWorld) -> None:
    findings = list(dotdigital.service(settings={"password": "another one"}).check(LIST_NAME))
    assert [(each.check, each.ok) for each in findings] == [("credentials", False)]
    assert "another one" not in findings[0].message


def test_doctor_stops_at_an_outage(dotdigital: DotdigitalWorld) -> None:
    dotdigital.sandbox.faults.add(Fault(Action.ERROR_BEFORE, status=503))
    findings = list(dotdigital.service(settings={"tries": 1}).check(LIST_NAME))
    assert [(each.check, each.ok) for each in findings] == [("credentials", False)]


def test_doctor_does_not_claim_a_region_that_it_was_told(dotdigital: DotdigitalWorld) -> None:
    dotdigital.account.settings = AccountSettings(region="r3")
    findings = {each.check: each for each in dotdigital.service(settings={"find_region": False}).check(LIST_NAME)}
    assert "find_region is off; the account says it is at" in findings["region"].message
    assert findings["region"].message.endswith("/r3")
    assert not findings["reading contacts"].ok and "another region's" in findings["reading contacts"].message


def test_doctor_compares_the_scheme(dotdigital: DotdigitalWorld) -> None:
    dotdigital.vendor.account("demo", user=FLAT["api_user"], password=PASSWORD, scheme="flat")
    tiered = {each.check: each for each in dotdigital.service(settings={"rate_limits": "flat"}).check(LIST_NAME)}
    assert not tiered["rate limits"].ok
    flat = {each.check: each for each in dotdigital.service(settings=FLAT).check(LIST_NAME)}
    assert flat["rate limits"].ok
    assert "2,000 calls an hour" in flat["rate limits"].message
    unknown = {
        each.check: each for each in dotdigital.service(settings={"api_user": FLAT["api_user"]}).check(LIST_NAME)
    }
    assert "may be flat; then set rate_limits: flat" in unknown["rate limits"].message


def test_nothing_personal_is_logged(dotdigital: DotdigitalWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    dotdigital.account.import_failures[ANN] = "blocker"
    service = dotdigital.service()
    target = service.ensure_list(LIST_NAME)
    dotdigital.sandbox.faults.add(Fault(Action.ERROR_BEFORE, times=2))
    service.add(target, [by_email(ANN)])
    service.remove(target, [by_email(ANN)])
    with pytest.raises(Unauthorized):
        dotdigital.service(settings={"password": "another one"}).add(ListRef(target.id, LIST_NAME), [by_email(ANN)])
    assert not any(text in caplog.text for text in (ANN, PASSWORD, USER, "another one", "YXBpdXNlci"))
