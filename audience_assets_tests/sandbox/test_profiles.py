"""Looking people up: filters, paging, sparse fields, consent."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime

import pytest

from audience_assets.sandbox.klaviyo import KlaviyoSandbox
from audience_assets_tests.sandbox.caller import Caller, parameter


def emails(klaviyo: Caller, condition: str, **parameters: str) -> list[str]:
    pages = klaviyo.pages("/api/profiles", filter=condition, fields_profile="email", **parameters)
    return [each["attributes"]["email"] for page in pages for each in page["data"]]


def test_unknown_people_are_simply_missing(klaviyo: Caller) -> None:
    klaviyo.account.add_profiles([{"email": "ann@example.com"}, {"email": "bob@example.com"}])
    wanted = 'any(email,["bob@example.com","nobody@example.com","ann@example.com"])'
    assert emails(klaviyo, wanted) == ["ann@example.com", "bob@example.com"]
    assert emails(klaviyo, 'equals(email,"nobody@example.com")') == []


def test_every_identifier_can_be_asked_for(klaviyo: Caller) -> None:
    klaviyo.account.add_profiles(
        [{"email": "o'ann+1@example.com", "phone_number": "+12025550101", "external_id": 'c "7"'}, {"email": "b@x.io"}]
    )
    profile = klaviyo.account.find("+12025550101")
    assert profile is not None
    for condition in (
        f'any(id,["{profile.id}"])',
        """any(email,["o'ann+1@example.com"])""",
        r"""equals(email,'o\'ann+1@example.com')""",
        'any(phone_number,["+12025550101"])',
        r'any(external_id,["c \"7\""])',
        'any(email,["o\'ann+1@example.com","b@x.io"]),equals(phone_number,"+12025550101")',
    ):
        assert emails(klaviyo, condition) == ["o'ann+1@example.com"]


def test_a_plus_that_is_not_encoded_is_a_blank(klaviyo: Caller) -> None:
    klaviyo.account.add_profiles([{"phone_number": "+12025550101"}])
    address = f"{klaviyo.sandbox.url}/api/profiles?filter=any(phone_number,[%22+12025550101%22])"
    assert klaviyo.get(address)["data"] == []
    assert len(klaviyo.get(address.replace("+", "%2B"))["data"]) == 1


@pytest.mark.parametrize(
    "condition",
    [
        "equals(email,ann@example.com)",
        'any(email,"ann@example.com")',
        'contains(email,"ann")',
        'equals(first_name,"Ann")',
        'equals(email,"ann@example.com"',
        'equals(email,"a@x.io") equals(email,"a@x.io")',
        'equals(email,"a@x.io"),',
        'greater-than(created,"2026-07-01T00:00:00Z")',
        "greater-than(created,yesterday)",
        "",
    ],
)
def test_a_wrong_filter_is_refused(klaviyo: Caller, condition: str) -> None:
    assert parameter(klaviyo.call("GET", "/api/profiles", filter=condition)) == "filter"


def test_case_of_emails_is_a_switch(klaviyo: Caller) -> None:
    klaviyo.account.add_profiles([{"email": "Ann@Example.com"}])
    assert emails(klaviyo, 'any(email,["ann@example.com"])') == ["Ann@Example.com"]
    klaviyo.switches.emails_fold_case = False
    assert emails(klaviyo, 'any(email,["ann@example.com"])') == []


def test_the_length_of_any_is_a_switch(klaviyo: Caller) -> None:
    klaviyo.switches.any_limit = 1
    assert parameter(klaviyo.call("GET", "/api/profiles", filter='any(email,["a@x.io","b@x.io"])')) == "filter"


def test_a_page_holds_twenty_unless_asked_and_a_hundred_at_most(klaviyo: Caller) -> None:
    klaviyo.account.add_profiles({"email": f"user{n}@example.com"} for n in range(130))
    assert len(klaviyo.get("/api/profiles")["data"]) == 20
    pages = list(klaviyo.pages("/api/profiles", page_size="100"))
    assert [len(page["data"]) for page in pages] == [100, 30]
    assert parameter(klaviyo.call("GET", "/api/profiles", page_size="101")) == "page[size]"
    wanted = ",".join(f'"user{n}@example.com"' for n in range(30))
    assert len(klaviyo.get("/api/profiles", filter=f"any(email,[{wanted}])")["data"]) == 20
    assert len(emails(klaviyo, f"any(email,[{wanted}])")) == 30


def test_sparse_fields_reach_into_consent(klaviyo: Caller) -> None:
    klaviyo.account.add_profiles([{"email": "ann@example.com", "first_name": "Ann", "properties": {"tier": "gold"}}])
    whole = klaviyo.get("/api/profiles")["data"][0]["attributes"]
    assert whole["first_name"] == "Ann"
    assert whole["properties"] == {"tier": "gold"}
    assert whole["location"]["city"] is None
    assert "subscriptions" not in whole
    sparse = klaviyo.get(
        "/api/profiles",
        fields_profile="email,subscriptions.email.marketing.consent",
        additional_fields_profile="subscriptions",
    )["data"][0]["attributes"]
    assert sparse == {
        "email": "ann@example.com",
        "subscriptions": {"email": {"marketing": {"consent": "NEVER_SUBSCRIBED"}}},
    }
    assert parameter(klaviyo.call("GET", "/api/profiles", additional_fields_profile="consent")) == (
        "additional-fields[profile]"
    )


def test_receiving_mail_is_not_consent(klaviyo: Caller) -> None:
    """Nobody is suppressed here, though one never subscribed; and a subscribed one may be suppressed."""
    klaviyo.account.add_profiles([{"email": "a@x.io"}, {"email": "b@x.io", "consents": {"email": "SUBSCRIBED"}}])
    klaviyo.account.suppress("b@x.io", "HARD_BOUNCE")
    never, bounced = (
        each["attributes"]["subscriptions"]["email"]["marketing"]
        for each in klaviyo.get("/api/profiles", additional_fields_profile="subscriptions")["data"]
    )
    assert (never["consent"], never["can_receive_email_marketing"]) == ("NEVER_SUBSCRIBED", True)
    assert (bounced["consent"], bounced["can_receive_email_marketing"]) == ("SUBSCRIBED", False)
    assert bounced["suppression"] == [{"reason": "HARD_BOUNCE", "timestamp": "2026-07-15T09:00:00+00:00"}]


def test_suppressed_people_can_be_listed(klaviyo: Caller) -> None:
    klaviyo.account.add_profiles({"email": f"{name}@x.io"} for name in "abc")
    klaviyo.account.suppress("a@x.io", "HARD_BOUNCE", at=datetime(2026, 1, 5, tzinfo=UTC))
    klaviyo.account.suppress("b@x.io", "SPAM_COMPLAINT", at=datetime(2026, 3, 5, tzinfo=UTC))
    field = "subscriptions.email.marketing.suppression"
    assert emails(klaviyo, f'equals({field}.reason,"HARD_BOUNCE")') == ["a@x.io"]
    assert emails(klaviyo, f"greater-than({field}.timestamp,2026-02-01T00:00:00Z)") == ["b@x.io"]
    assert emails(klaviyo, f"less-than({field}.timestamp,2027-01-01T00:00:00Z)", sort=f"-{field}.timestamp") == [
        "b@x.io",
        "a@x.io",
    ]
    of_lists = "subscriptions.email.marketing.list_suppressions"
    for condition in (
        f'equals({of_lists}.reason,"UNSUBSCRIBE")',
        f'equals({of_lists}.list_id,"x"),equals({field}.reason,"UNSUBSCRIBE")',
        f"greater-than({field}.timestamp,2026-02-01T00:00:00Z),less-than({field}.timestamp,2026-03-01T00:00:00Z)",
    ):
        assert parameter(klaviyo.call("GET", "/api/profiles", filter=condition)) == "filter"


def test_sorting_and_dates(klaviyo: Caller) -> None:
    for name in "bca":
        klaviyo.account.add_profiles([{"email": f"{name}@x.io"}])
        klaviyo.wait(60)

    def order(sort: str, **parameters: str) -> str:
        pages = klaviyo.pages("/api/profiles", sort=sort, page_size="2", **parameters)
        return "".join(each["attributes"]["email"][0] for page in pages for each in page["data"])

    assert [order(sort) for sort in ("created", "-created", "email", "-email")] == ["bca", "acb", "abc", "cba"]
    assert order("created", filter="greater-than(created,2026-07-15T09:00:00Z)") == "ca"
    assert order("created", filter="less-than(created,2026-07-15T09:01:00Z)") == "b"


def test_a_million_contacts_fit() -> None:
    """The size of one contact, measured on fewer."""
    account = KlaviyoSandbox().account("demo")
    tracemalloc.start()
    try:
        assert account.add_profiles({"email": f"user{n}@example.com"} for n in range(20_000)) == 20_000
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / 20_000 < 500
