"""A Klaviyo account: settings, doctor, estimates and what the service declares."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from audience_assets.destinations.base import ListRef, Misconfigured, Operation
from audience_assets.destinations.klaviyo import KLAVIYO
from audience_assets.destinations.klaviyo.settings import KlaviyoSettings, SubscriptionListOptions
from audience_assets.destinations.registry import DESTINATIONS
from audience_assets_tests.destinations.klaviyo_world import KEY, LIST_NAME, KlaviyoWorld, email_member, klaviyo

__all__ = ["klaviyo"]

SPEC = KLAVIYO.services["klaviyo.subscription_list"]


def test_the_vendor_is_registered() -> None:
    assert DESTINATIONS["klaviyo"] is KLAVIYO
    assert all(name == spec.name for name, spec in KLAVIYO.services.items())


def test_the_key_is_never_shown() -> None:
    settings = KlaviyoSettings.model_validate({"api_key": KEY})
    assert KEY not in repr(settings)
    assert KEY not in settings.model_dump_json()
    assert KEY not in KLAVIYO.account(settings)
    assert KLAVIYO.secret_fields == ("api_key", "sftp_private_key", "sftp_passphrase")


def test_one_key_is_one_account_and_two_keys_can_be() -> None:
    def named(**settings: str) -> str:
        return KLAVIYO.account(KlaviyoSettings.model_validate(settings))

    assert named(api_key="pk_a") == named(api_key="pk_a", base_url="http://127.0.0.1:1")
    assert named(api_key="pk_a") != named(api_key="pk_b")
    assert named(api_key="pk_a", account="shop") == named(api_key="pk_b", account="shop") == "klaviyo-shop"


@pytest.mark.parametrize("channels", [[], ["email", "email"], ["fax"]])
def test_channels_are_email_sms_or_both(channels: list[str]) -> None:
    with pytest.raises(ValidationError):
        SubscriptionListOptions.model_validate({"channels": channels})


@pytest.mark.parametrize(
    ("channels", "identifiers", "tracked"),
    [
        (("email",), ["email"], []),
        (("sms",), ["phone"], []),
        (("sms", "email"), ["email", "phone"], ["phone", "region"]),
    ],
)
def test_channels_decide_what_must_be_mapped(
    channels: tuple[str, ...], identifiers: list[str], tracked: list[str]
) -> None:
    options = SubscriptionListOptions.model_validate({"channels": channels})
    assert list(SPEC.identifiers(options)) == list(SPEC.required(options)) == identifiers
    assert list(SPEC.tracked(options)) == tracked
    assert set(SPEC.channels(options)) == set(channels)


def test_two_lists_of_the_name_are_named_by_id(klaviyo: KlaviyoWorld) -> None:
    ids = [klaviyo.make_list().id, klaviyo.make_list().id]
    with pytest.raises(Misconfigured) as caught:
        klaviyo.service().ensure_list(LIST_NAME)
    assert all(each in str(caught.value) for each in ids)


def findings(klaviyo: KlaviyoWorld, **kwargs: object) -> dict[str, tuple[bool, str]]:
    service = klaviyo.service(**kwargs)  # type: ignore[arg-type]
    return {found.check: (found.ok, found.message) for found in service.check(LIST_NAME)}


def test_doctor_proves_each_permission_and_writes_nothing(klaviyo: KlaviyoWorld) -> None:
    klaviyo.make_list("double_opt_in")
    found = findings(klaviyo, channels=("email", "sms"))
    assert all(ok for ok, _ in found.values())
    assert list(found) == [
        "credentials",
        "revision",
        "reading lists",
        "reading profiles and consent",
        "writing consent",
        "list",
        "sms",
    ]
    assert "double_opt_in" in found["list"][1]
    klaviyo.account.finish_jobs()
    assert klaviyo.account.audit == []


@pytest.mark.parametrize(
    ("scope", "check"),
    [
        ("accounts:read", "credentials"),
        ("lists:read", "reading lists"),
        ("profiles:read", "reading profiles and consent"),
        ("subscriptions:write", "writing consent"),
    ],
)
def test_doctor_names_the_missing_scope(klaviyo: KlaviyoWorld, scope: str, check: str) -> None:
    areas = ("accounts", "lists", "profiles", "subscriptions")
    scopes = {f"{area}:{how}" for area in areas for how in ("read", "write")} - {scope}
    klaviyo.sandbox.klaviyo.account("demo", key="pk_less", scopes=scopes)
    found = findings(klaviyo, settings={"api_key": "pk_less"})
    assert [name for name, (ok, _) in found.items() if not ok] == [check]
    assert scope in found[check][1]


@pytest.mark.parametrize(
    ("scope", "checks"),
    [
        ("accounts:read", {"credentials"}),
        ("lists:read", {"reading lists", "reading import jobs"}),
        ("profiles:read", {"reading import jobs"}),
        ("lists:write", {"importing profiles"}),
        ("profiles:write", {"importing profiles"}),
    ],
)
def test_doctor_of_an_audience_list_names_the_missing_scope(
    klaviyo: KlaviyoWorld, scope: str, checks: set[str]
) -> None:
    """Consent scopes are not asked for: it touches no consent."""
    needed = {f"{area}:{how}" for area in ("lists", "profiles") for how in ("read", "write")} | {"accounts:read"}
    klaviyo.sandbox.klaviyo.account("demo", key="pk_less", scopes=needed - {scope})
    found = {each.check: each for each in klaviyo.audience_list(settings={"api_key": "pk_less"}).check("Group")}
    assert {name for name, each in found.items() if not each.ok} == checks
    assert all(scope in found[name].message for name in checks)
    assert klaviyo.account.jobs == []


def test_doctor_stops_at_a_wrong_key_and_sees_another_revision(klaviyo: KlaviyoWorld) -> None:
    assert list(findings(klaviyo, settings={"api_key": "pk_wrong"})) == ["credentials"]
    ok, message = findings(klaviyo, settings={"revision": "2019-01-01"})["revision"]
    assert not ok
    assert "2019-01-01" in message


@pytest.mark.parametrize("channels", [("email",), ("sms",), ("email", "sms")])
def test_the_estimate_is_the_worst_case_of_what_is_done(klaviyo: KlaviyoWorld, channels: tuple[str, ...]) -> None:
    """Everybody subscribed already and none in the list: every check is made and every call sent."""
    people = [(f"p{number}@example.com", f"+1202555{number:04}") for number in range(100, 350)]
    consents = {"email": "SUBSCRIBED", "sms": "SUBSCRIBED"}
    klaviyo.seed(*({"email": email, "phone_number": phone, "consents": consents} for email, phone in people))
    target, service = klaviyo.make_list(), klaviyo.service(channels=channels)
    members = [email_member(email, phone=phone) for email, phone in people]
    added = service.add(target, members).calls
    klaviyo.account.finish_jobs()
    expected = sum(each.calls for each in service.estimate(adds=250, updates=0, removes=0))
    # Numbers new to Klaviyo would have taken one call more.
    assert added == expected - ("sms" in channels)
    service = klaviyo.service(channels=channels)
    removed = sum(service.remove(target, members[start : start + 100]).calls for start in range(0, 250, 100))
    assert removed == sum(each.calls for each in service.estimate(adds=0, updates=0, removes=250))


def test_a_batch_of_updates_is_within_its_estimate(klaviyo: KlaviyoWorld) -> None:
    people = [(f"p{number}@example.com", f"+1202555{number:04}") for number in range(100, 200)]
    made: ListRef = klaviyo.make_list()
    consents = {"email": "SUBSCRIBED", "sms": "SUBSCRIBED"}
    klaviyo.seed(
        *({"email": e, "phone_number": p, "consents": consents, "lists": [made.id]} for e, p in people),
    )
    members = []
    for email, phone in people:
        member = email_member(email, phone=phone.replace("202", "303"))
        member.previous = {"email": email, "phone": phone}
        members.append(member)
    service = klaviyo.service(channels=("email", "sms"))
    assert len(members) == SPEC.batch_sizes[Operation.UPDATE]
    report = service.update(made, members)
    assert all(not outcome.issues for outcome in report.outcomes)
    assert report.calls <= sum(each.calls for each in service.estimate(adds=0, updates=100, removes=0))
