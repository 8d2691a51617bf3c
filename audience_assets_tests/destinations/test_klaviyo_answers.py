"""Answers that the sandbox does not give, from a small server that does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest

from audience_assets.destinations.base import (
    Connection,
    Evidence,
    ListRef,
    Member,
    Misconfigured,
    Outcome,
    Recheck,
    Status,
)
from audience_assets.destinations.klaviyo.settings import KlaviyoSettings, SubscriptionListOptions
from audience_assets.destinations.klaviyo.subscription_list import SubscriptionList
from audience_assets.destinations.limits import MemorySlotLog, SlidingLimiter

Answer = tuple[int, dict[str, str], Any]
Script = Callable[[str, Any], Answer]

TARGET = ListRef("UskKzq", "Readers")
ANN, BOB = "ann@example.com", "bob@example.com"
PHONE, OTHER_PHONE = "+12025550123", "+12025550188"


@contextmanager
def service_at(script: Script, channels: tuple[str, ...] = ("email", "sms")) -> Iterator[SubscriptionList]:
    """A service whose vendor answers by `script(path, body)`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(orjson.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: Any) -> None:
            status, headers, content = script(self.path, body)
            encoded = b"" if content is None else orjson.dumps(content)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(encoded))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, *_arguments: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    settings = {"api_key": "pk_x", "base_url": f"http://127.0.0.1:{server.server_port}", "settle_seconds": 0}
    try:
        yield SubscriptionList(
            Connection(
                settings=KlaviyoSettings.model_validate({**settings, "first_wait_seconds": 0}),
                options=SubscriptionListOptions.model_validate({"channels": channels}),
                resubscribe="if_newer_consent",
                import_history=False,
                default_region=None,
                limiter=SlidingLimiter(MemorySlotLog(), "account"),
                now=lambda: datetime.now(UTC),
            )
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def profile(number: int, email: str | None, phone: str | None = None) -> dict[str, Any]:
    attributes = {"email": email, "phone_number": phone, "subscriptions": {"email": None, "sms": None}}
    return {"type": "profile", "id": f"P{number}", "attributes": attributes}


def opted_out(number: int, email: str, **marketing: Any) -> dict[str, Any]:
    """A profile whose e-mail consent is as Klaviyo would tell it."""
    found = profile(number, email)
    found["attributes"]["subscriptions"]["email"] = {"marketing": {"consent": "NEVER_SUBSCRIBED", **marketing}}
    return found


def page(*profiles: dict[str, Any]) -> Answer:
    return 200, {}, {"data": list(profiles), "links": {"self": "x", "next": None, "prev": None}}


def refused(pointer: str, detail: str) -> Answer:
    error = {"id": "1", "status": 400, "code": "invalid", "title": "Invalid input.", "detail": detail}
    return 400, {}, {"errors": [{**error, "source": {"pointer": pointer}}]}


def rows_of(body: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = body["data"]["attributes"]["profiles"]["data"]
    return rows


def members() -> list[Member]:
    return [
        Member(ANN, {"email": ANN, "phone": PHONE}, previous={"email": ANN, "phone": PHONE}),
        Member(BOB, {"email": BOB, "phone": OTHER_PHONE}, previous={"email": BOB, "phone": OTHER_PHONE}),
    ]


def reasons(outcome: Outcome) -> list[tuple[str | None, str]]:
    return [(issue.channel, issue.reason) for issue in outcome.issues]


def test_a_dropped_number_is_told_apart_by_reading_again() -> None:
    looked_up: list[str] = []

    def script(path: str, body: Any) -> Answer:
        if path.startswith("/api/profiles"):
            if "phone_number" not in path.partition("&")[0]:
                return page(profile(1, ANN), profile(2, BOB))
            looked_up.append(path)
            # By the second look, Ann's number has arrived.
            return page(profile(1, ANN, PHONE)) if len(looked_up) == 2 else page()
        texts = "sms" in rows_of(body)[0]["attributes"]["subscriptions"]
        return 202, {"X-Klaviyo-Partial-Failure": "phone_number"} if texts else {}, None

    with service_at(script) as service:
        ann, bob = service.add(TARGET, members()).outcomes
    assert (ann.status, ann.issues) == (Status.ACCEPTED, [])
    assert {write.channel for write in ann.consents} == {"email", "sms"}
    assert bob.status is Status.ACCEPTED
    assert reasons(bob) == [("sms", "phone_dropped_by_vendor")]
    assert bob.issues[0].recheck is Recheck.WHEN_CHANGED
    assert {write.channel for write in bob.consents} == {"email"}


def test_a_refused_number_keeps_nobody_in_the_list() -> None:
    sent: list[list[list[str]]] = []

    def script(path: str, body: Any) -> Answer:
        if path.startswith("/api/lists"):
            return page(profile(1, ANN, PHONE), profile(2, BOB, OTHER_PHONE))
        rows = rows_of(body)
        sent.append([sorted(row["attributes"]["subscriptions"]) for row in rows])
        for index, row in enumerate(rows):
            if row["attributes"].get("phone_number") == PHONE:
                return refused(f"/data/attributes/profiles/data/{index}/attributes/phone_number", "Invalid phone.")
        return 202, {}, None

    with service_at(script) as service:
        ann, bob = service.remove(TARGET, members()).outcomes
    assert ann.status is bob.status is Status.ACCEPTED
    assert reasons(ann) == [("sms", "invalid_phone")]
    assert [write.channel for write in ann.consents] == ["email"]
    assert {write.channel for write in bob.consents} == {"email", "sms"}
    assert sent == [[["email", "sms"]] * 2, [["email", "sms"]], [["email"]]]


def test_a_refusal_without_pointer_is_bisected_and_its_words_are_scrubbed() -> None:
    people = [f"person{number}@example.com" for number in range(40)]
    bad = people[17]

    def script(path: str, body: Any) -> Answer:
        if path.startswith("/api/profiles"):
            return page(*(profile(number, email) for number, email in enumerate(people)))
        if any(row["attributes"]["email"] == bad for row in rows_of(body)):
            return refused("/data", f"The address {bad} or +1 (202) 555-0123 can't be used.")
        return 202, {}, None

    with service_at(script, channels=("email",)) as service:
        report = service.add(TARGET, [Member(email, {"email": email}) for email in people])
    rejected = [outcome for outcome in report.outcomes if outcome.status is Status.REJECTED]
    assert [outcome.identifier for outcome in rejected] == [bad]
    detail = rejected[0].issues[0].detail or ""
    assert "can't be used" in detail
    assert bad not in detail
    assert "555" not in detail


def test_profiles_are_read_whatever_is_missing_or_written_the_old_way() -> None:
    old = profile(1, " Ann@Example.com ", "(202) 555-0123")
    old["attributes"]["subscriptions"] = {
        "email": None,
        "sms": {"marketing": {"consent": "UNSUBSCRIBED", "consent_timestamp": None, "last_updated": None}},
    }

    def script(path: str, body: Any) -> Answer:
        if path.startswith("/api/profiles"):
            return page(old) if "any%28email" in path else page()
        return 202, {}, None

    with service_at(script) as service:
        [outcome] = service.add(TARGET, members()[:1]).outcomes
    assert outcome.status is Status.ACCEPTED
    # An opt-out without a time can't be outdated.
    assert reasons(outcome) == [("sms", "vendor_opt_out")]


def test_a_link_to_another_host_does_not_get_the_key() -> None:
    asked: list[str] = []

    def script(path: str, body: Any) -> Answer:
        asked.append(path)
        if len(asked) > 1:
            return page(profile(2, BOB))
        return 200, {}, {"data": [profile(1, ANN)], "links": {"next": "http://evil.invalid/api/next?page=2"}}

    with service_at(script) as service:
        found = list(service.members(TARGET))
    assert [member.vendor_id for member in found] == ["P1", "P2"]
    assert asked[1] == "/api/next?page=2"


def test_nobody_is_subscribed_while_klaviyo_does_not_tell_consent() -> None:
    def script(path: str, body: Any) -> Answer:
        assert body is None, "written without knowing"
        silent = profile(1, ANN)
        del silent["attributes"]["subscriptions"]
        return page(silent)

    with service_at(script, channels=("email",)) as service, pytest.raises(Misconfigured, match="does not tell"):
        service.add(TARGET, [Member(ANN, {"email": ANN})])


@pytest.mark.parametrize("reason", ["UNSUBSCRIBED", "unsubscribe", "SOMETHING_NEW", None])
@pytest.mark.parametrize("kind", ["suppression", "list_suppressions"])
def test_a_suppression_nobody_has_heard_of_is_an_opt_out(reason: str | None, kind: str) -> None:
    entry = {"list_id": TARGET.id, "reason": reason, "timestamp": "2026-01-01T00:00:00+00:00"}

    def script(path: str, body: Any) -> Answer:
        assert body is None, "opted in against a suppression"
        return page(opted_out(1, ANN, **{kind: [entry]}))

    with service_at(script, channels=("email",)) as service:
        (ann,) = service.add(TARGET, [Member(ANN, {"email": ANN})]).outcomes
    assert reasons(ann) == [("email", "vendor_opt_out")]


@pytest.mark.parametrize("first", [1, 2])
def test_of_two_profiles_with_one_address_the_opt_out_of_either_stands(first: int) -> None:
    def script(path: str, body: Any) -> Answer:
        assert body is None, "opted in against the other profile's opt-out"
        twins = {1: profile(1, ANN.title()), 2: opted_out(2, ANN, consent="UNSUBSCRIBED")}
        return page(twins[first], twins[3 - first])

    with service_at(script, channels=("email",)) as service:
        (ann,) = service.add(TARGET, [Member(ANN, {"email": ANN})]).outcomes
    assert reasons(ann) == [("email", "vendor_opt_out")]


def test_a_complaint_is_never_taken_for_an_opt_out_of_ours() -> None:
    ours = datetime(2026, 1, 1, tzinfo=UTC)
    entry = {"reason": "SPAM_COMPLAINT", "timestamp": "2026-01-01T00:05:00+00:00"}

    def script(path: str, body: Any) -> Answer:
        assert body is None, "opted in against a complaint"
        return page(opted_out(1, ANN, suppression=[entry]))

    with service_at(script, channels=("email",)) as service:
        back = Member(ANN, {"email": ANN}, evidence={"email": Evidence(own_opt_out_at=ours, own_opt_out_address=ANN)})
        (ann,) = service.add(TARGET, [back]).outcomes
    assert reasons(ann) == [("email", "vendor_opt_out")]
