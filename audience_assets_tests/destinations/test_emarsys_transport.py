"""Tokens, signatures, limits, and answers whose code decides and not their HTTP status."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from audience_assets.destinations.base import (
    DestinationError,
    Endpoint,
    ListMissing,
    Misconfigured,
    Throttled,
    Unauthorized,
    Unavailable,
)
from audience_assets.destinations.emarsys.credentials import password_digest
from audience_assets.destinations.emarsys.endpoints import ADD, CREATE_LIST, LISTS, MEMBER_IDS
from audience_assets.destinations.emarsys.envelope import status_of
from audience_assets.destinations.emarsys.errors import NobodyKnown, explain, wait_hint
from audience_assets.destinations.http import Answer
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.destinations.emarsys_world import LIST_NAME, EmarsysWorld, emarsys, outcomes, reader

__all__ = ["emarsys"]

ANN = "ann@example.com"


class TestTokens:
    def test_one_token_serves_every_thread_and_service(self, emarsys: EmarsysWorld) -> None:
        target = emarsys.make_list()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: emarsys.service().add(target, [reader(f"p{n}@example.com")]), range(24)))
        assert len(emarsys.calls("token")) == 1
        assert len(emarsys.calls("addContactsToContactList")) == 24

    def test_it_is_renewed_before_its_end(self, emarsys: EmarsysWorld) -> None:
        service = emarsys.service()
        service.find_list(LIST_NAME)
        emarsys.clock.advance(3539)
        service.find_list(LIST_NAME)
        assert len(emarsys.calls("token")) == 1
        emarsys.clock.advance(2)
        service.find_list(LIST_NAME)
        assert len(emarsys.calls("token")) == 2
        assert {entry.status for entry in emarsys.sandbox.requests} == {200}

    def test_a_short_life_is_no_reason_to_ask_each_time(self, emarsys: EmarsysWorld) -> None:
        emarsys.switches.token_seconds = 30
        service = emarsys.service()
        for _ in range(5):
            service.find_list(LIST_NAME)
        assert len(emarsys.calls("token")) == 1
        emarsys.clock.advance(16)
        service.find_list(LIST_NAME)
        assert len(emarsys.calls("token")) == 2

    def test_a_token_that_ended_early_is_replaced_once(self, emarsys: EmarsysWorld) -> None:
        emarsys.know(ANN)
        target, service = emarsys.make_list(), emarsys.service()
        service.find_list(LIST_NAME)
        emarsys.sandbox.emarsys.credentials.revoke_tokens()
        assert outcomes(service.add(target, [reader(ANN)])) == {ANN: "accepted"}
        assert len(emarsys.calls("token")) == 2

    def test_another_secret_has_another_token(self, emarsys: EmarsysWorld) -> None:
        emarsys.service().find_list(LIST_NAME)
        with pytest.raises(Unauthorized, match="client_id and client_secret"):
            emarsys.service({"client_secret": "wrong"}).find_list(LIST_NAME)

    def test_without_a_token_nothing_was_sent(self, emarsys: EmarsysWorld) -> None:
        """So that even a call that may not be repeated is tried again."""
        service = emarsys.service()
        service.find_list(LIST_NAME)
        emarsys.sandbox.emarsys.credentials.revoke_tokens()
        emarsys.clock.advance(4000)
        emarsys.sandbox.faults.add(Fault(Action.ERROR_BEFORE, "token", times=2))
        assert service.ensure_list(LIST_NAME).created
        assert len(emarsys.calls("createContactList")) == 1

    @pytest.mark.parametrize("action", [Action.ERROR_BEFORE, Action.RESET_BEFORE, Action.CHALLENGE])
    def test_an_outage_of_the_token_host_ends_in_patience(self, emarsys: EmarsysWorld, action: Action) -> None:
        emarsys.sandbox.faults.add(Fault(action, "token"))
        with pytest.raises(Unavailable):
            emarsys.service().find_list(LIST_NAME)

    def test_neither_token_nor_secret_nor_address_is_told(
        self, emarsys: EmarsysWorld, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        emarsys.know(ANN, ANN)
        target, service = emarsys.make_list(), emarsys.service(duplicates="add_all")
        emarsys.sandbox.faults.add(Fault(Action.ERROR_BEFORE, "addContactsToContactList", times=1))
        service.add(target, [reader(ANN)])
        emarsys.sandbox.faults.add(Fault(Action.RESET_BEFORE, "listContactData"))
        shared = reader(ANN)
        service.remove(target, [shared])
        [token] = [orjson.loads(e.answer or b"{}")["access_token"] for e in _entries(emarsys, "token")]
        shown = caplog.text + repr(vars(service)) + repr(service) + str(vars(service))
        for private in (token, emarsys.secret, ANN, "ann%40example.com"):
            assert private not in shown


class TestSignatures:
    @pytest.mark.parametrize(
        ("nonce", "created", "secret", "digest"),
        [
            (
                "60fa51b583febbfac684df6835b08fc6",
                "2018-11-27T11:56:04+0000",
                "somesecret",
                "NTM2MGZjNzVjNzQ5M2Q1MjUzODdmMTBhNGVhMzlhNDE4NzA2MDY2ZQ==",
            ),
            (
                "d36e316282959a9ed4c89851497a717f",
                "2026-01-15T10:00:00Z",
                "s3cr3t",
                "Yjk3OGE5NWIzNGRhMzFhZWY0NzBlNjE3Njg1MTRjNzA0MTNkZWNlNA==",
            ),
        ],
    )
    def test_the_digest_is_of_the_hexadecimal_text(self, nonce: str, created: str, secret: str, digest: str) -> None:
        assert password_digest(nonce, created, secret) == digest

    def test_each_request_and_each_repeat_is_signed_anew(self, emarsys: EmarsysWorld) -> None:
        emarsys.version = "v2"
        emarsys.sandbox.faults.add(Fault(Action.ERROR_BEFORE, times=1))
        service = emarsys.service()
        service.find_list(LIST_NAME)
        emarsys.clock.advance(301)
        service.find_list(LIST_NAME)
        assert [entry.status for entry in emarsys.sandbox.requests] == [503, 200, 200]
        assert all(entry.path.startswith("/emarsys/api/v2/") for entry in emarsys.sandbox.requests)

    @pytest.mark.parametrize("skew", [-900.0, 900.0])
    def test_a_clock_that_is_wrong_is_corrected_by_the_answers_date(self, emarsys: EmarsysWorld, skew: float) -> None:
        emarsys.version = "v2"
        service = emarsys.service(skew=skew)
        for _ in range(3):
            service.find_list(LIST_NAME)
        assert [entry.status for entry in emarsys.sandbox.requests] == [401, 200, 200, 200]

    def test_a_wrong_secret_is_not_tried_twice(self, emarsys: EmarsysWorld) -> None:
        emarsys.version = "v2"
        with pytest.raises(Unauthorized, match="credentials"):
            emarsys.service({"user_secret": "wrong"}).find_list(LIST_NAME)
        assert len(emarsys.sandbox.requests) == 1


class TestLimits:
    def test_a_thousand_calls_a_minute_whatever_they_ask(self, emarsys: EmarsysWorld) -> None:
        target, service = emarsys.make_list(), emarsys.service()
        began = emarsys.clock.now()
        for _ in range(600):
            service.add(target, [reader(ANN)])
            service.remove(target, [reader(ANN)])
        assert 60 <= emarsys.clock.now() - began < 62
        assert {entry.status for entry in emarsys.sandbox.requests} == {200}

    def test_a_smaller_share_is_kept_to(self, emarsys: EmarsysWorld) -> None:
        service = emarsys.service({"requests_per_minute": 10})
        began = emarsys.clock.now()
        for _ in range(25):
            service.find_list(LIST_NAME)
        assert 120 <= emarsys.clock.now() - began < 123

    @pytest.mark.parametrize("plain", [False, True])
    def test_when_others_use_the_credentials_too_the_reset_is_waited_for(
        self, emarsys: EmarsysWorld, plain: bool
    ) -> None:
        emarsys.switches.plain_throttle = plain
        emarsys.switches.requests_per_minute = 5
        service = emarsys.service()
        emarsys.clock.advance(20)
        began = emarsys.clock.now()
        for _ in range(6):
            service.find_list(LIST_NAME)
        assert 40 <= emarsys.clock.now() - began <= 41, "the minute's rest"
        statuses = [entry.status for entry in emarsys.sandbox.requests if entry.endpoint != "token"]
        assert statuses == [200] * 5 + [429, 200]

    def test_a_429_that_says_nothing_is_waited_for_a_minute(self, emarsys: EmarsysWorld) -> None:
        service = emarsys.service()
        service.find_list(LIST_NAME)
        emarsys.sandbox.faults.add(Fault(Action.THROTTLE, times=1, retry_after=None))
        began = emarsys.clock.now()
        service.find_list(LIST_NAME)
        assert emarsys.clock.now() - began == pytest.approx(60)

    def test_who_is_throttled_for_good_is_told(self, emarsys: EmarsysWorld) -> None:
        emarsys.sandbox.faults.add(Fault(Action.THROTTLE, "listContactLists", retry_after=1))
        with pytest.raises(Throttled):
            emarsys.service().find_list(LIST_NAME)

    def test_the_reset_counts_from_emarsys_clock(self) -> None:
        date = "Wed, 15 Jul 2026 09:00:00 GMT"
        at = datetime(2026, 7, 15, 9, 0, 17, tzinfo=UTC).timestamp()
        assert wait_hint(answer(429, headers={"X-Ratelimit-Reset": str(int(at)), "Date": date})) == 17
        for strange in ("soon", "17", str(int(at) * 1000)):
            assert wait_hint(answer(429, headers={"X-RateLimit-Reset": strange, "Date": date})) == 60


def answer(status: int, code: Any = None, text: str = "", *, headers: Mapping[str, str] | None = None) -> Answer:
    body = b"" if code is None else orjson.dumps({"replyCode": code, "replyText": text, "data": ""})
    return Answer(status, _AnyCase(headers or {}), body)


class _AnyCase(dict[str, str]):
    """Headers as requests hands them out: found in any case."""

    def get(self, name: str, default: Any = None) -> Any:
        return next((value for key, value in self.items() if key.lower() == name.lower()), default)


class TestEnvelope:
    @pytest.mark.parametrize(
        ("given", "meant"),
        [
            (answer(200, 0), 200),
            (answer(200, "0"), 200),
            (answer(400, 0), 200),
            (answer(200, 2004), 400),
            (answer(200, 1), 400),
            (answer(200, 7003), 429),
            (answer(200, 1003), 500),
            (answer(500, 1), 500),
            (answer(500, 2011), 500),
            (answer(500, 3004), 400),
            (answer(500, 3005), 400),
            (answer(404, 3006), 400),
            (answer(403, None), 403),
            (answer(403, 0), 403),
            (answer(429, None), 429),
            (answer(503, None), 503),
            (answer(503, 0), 503),
            (answer(200, None), 502),
            (Answer(200, {}, b"<html></html>"), 502),
            (Answer(200, {}, b'{"value": [1], "next": null}'), 200),
        ],
    )
    def test_the_code_decides(self, given: Answer, meant: int) -> None:
        assert status_of(given) == meant

    @pytest.mark.parametrize(
        ("given", "endpoint", "kind"),
        [
            (answer(400, 3004, "Invalid contact list id: 5"), ADD, ListMissing),
            (answer(500, 3004, "Invalid contact list id: 5"), ADD, ListMissing),
            (answer(200, 3006), MEMBER_IDS, ListMissing),
            (answer(404, 3006), ADD, ListMissing),
            (answer(400, 3004), CREATE_LIST, Misconfigured),
            (answer(400, 3005), CREATE_LIST, Misconfigured),
            (answer(200, 2004, "Invalid key field id: 3"), ADD, Misconfigured),
            (answer(404, 2008), ADD, NobodyKnown),
            (answer(400, 2008), LISTS, Misconfigured),
            (answer(401, 1, "Unauthorized"), LISTS, Unauthorized),
            (Answer(403, {}, b"<html>wait</html>"), LISTS, Unavailable),
            (answer(302), LISTS, Misconfigured),
        ],
    )
    def test_refusals_are_the_engines_errors(
        self, given: Answer, endpoint: Endpoint, kind: type[DestinationError]
    ) -> None:
        assert type(explain(given, endpoint)) in (kind, *kind.__subclasses__())

    def test_no_refusal_tells_an_address(self) -> None:
        refusal = answer(400, 9999, "No contact found with the external id: 3 - ann@example.com")
        assert ANN not in str(explain(refusal, ADD))
        assert "9999" in str(explain(refusal, ADD))

    def test_a_success_that_is_cut_or_a_page_is_asked_for_again(self, emarsys: EmarsysWorld) -> None:
        emarsys.know(ANN)
        target, service = emarsys.make_list(), emarsys.service()
        emarsys.sandbox.faults.add(Fault(Action.TRUNCATE, "addContactsToContactList", times=1))
        emarsys.sandbox.faults.add(Fault(Action.CHALLENGE, "addContactsToContactList", times=1))
        assert outcomes(service.add(target, [reader(ANN)])) == {ANN: "accepted"}
        assert emarsys.listed(target) == [ANN]


def _entries(world: EmarsysWorld, endpoint: str) -> list[Any]:
    return [entry for entry in world.sandbox.requests if entry.endpoint == endpoint]
