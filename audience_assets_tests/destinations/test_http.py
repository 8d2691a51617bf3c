"""The HTTP client, over a real socket: what is tried again, what is not, and what nobody gets to read."""

from __future__ import annotations

import logging
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from audience_assets.destinations.base import (
    ListMissing,
    Misconfigured,
    Throttled,
    Unauthorized,
    Unavailable,
)
from audience_assets.destinations.http import retry_after
from audience_assets.destinations.klaviyo.client import KlaviyoClient
from audience_assets.destinations.klaviyo.settings import KlaviyoSettings
from audience_assets.destinations.limits import WIDE_MARGIN
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.destinations.klaviyo_world import KEY, KlaviyoWorld, klaviyo

__all__ = ["klaviyo"]

ADDRESS = "secret.person@example.com"


def client(world: KlaviyoWorld, **settings: Any) -> KlaviyoClient:
    given = {"api_key": KEY, "base_url": world.sandbox.url, "first_wait_seconds": 0, "tries": 4, **settings}
    return KlaviyoClient(KlaviyoSettings.model_validate(given), world.limiter)


def look_up(found: KlaviyoClient) -> list[dict[str, Any]]:
    return list(found.profiles("email", [ADDRESS]))


@pytest.mark.parametrize(
    "action",
    [Action.ERROR_BEFORE, Action.RESET_BEFORE, Action.RESET_AFTER, Action.TRUNCATE, Action.CHALLENGE, Action.THROTTLE],
)
def test_a_passing_failure_is_not_noticed(klaviyo: KlaviyoWorld, action: Action) -> None:
    klaviyo.seed({"email": ADDRESS})
    klaviyo.sandbox.faults.add(Fault(action, times=3))
    found = client(klaviyo)
    assert len(look_up(found)) == 1
    assert found.calls == 4


@pytest.mark.parametrize("status", [500, 502, 503, 504, 524])
def test_a_lasting_failure_is_unavailable(klaviyo: KlaviyoWorld, status: int) -> None:
    klaviyo.sandbox.faults.add(Fault(Action.ERROR_BEFORE, status=status))
    found = client(klaviyo)
    with pytest.raises(Unavailable) as caught:
        look_up(found)
    assert caught.value.status == status
    assert found.calls == 4


def test_retry_after_is_waited_for(klaviyo: KlaviyoWorld) -> None:
    klaviyo.sandbox.faults.add(Fault(Action.THROTTLE, times=1, retry_after=37))
    before = klaviyo.clock.now()
    look_up(client(klaviyo))
    assert klaviyo.clock.now() - before == pytest.approx(37)


def test_a_429_without_or_with_zero_retry_after_waits_all_the_same(klaviyo: KlaviyoWorld) -> None:
    for silent in (None, 0):
        klaviyo.sandbox.faults.add(Fault(Action.THROTTLE, times=1, retry_after=silent))
        before = klaviyo.clock.now()
        look_up(client(klaviyo))
        assert klaviyo.clock.now() - before >= 1


def test_a_429_for_longer_than_anybody_waits_is_throttled(klaviyo: KlaviyoWorld) -> None:
    klaviyo.sandbox.faults.add(Fault(Action.THROTTLE, retry_after=86_400))
    found = client(klaviyo)
    with pytest.raises(Throttled) as caught:
        look_up(found)
    assert caught.value.retry_after == pytest.approx(86_400, abs=1)
    assert found.calls == 1


def test_an_unsubscribe_without_answer_is_not_sent_again(klaviyo: KlaviyoWorld) -> None:
    target = klaviyo.make_list()
    klaviyo.sandbox.faults.add(Fault(Action.RESET_AFTER))
    found = client(klaviyo)
    item = {
        "type": "profile",
        "attributes": {"email": ADDRESS, "subscriptions": {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}},
    }
    with pytest.raises(Unavailable):
        found.unsubscribe(target.id, [item])
    assert found.calls == 1


def test_an_unsubscribe_that_was_throttled_or_never_left_is_sent_again(klaviyo: KlaviyoWorld) -> None:
    klaviyo.sandbox.faults.add(Fault(Action.THROTTLE, times=2))
    item = {
        "type": "profile",
        "attributes": {"email": ADDRESS, "subscriptions": {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}},
    }
    found = client(klaviyo)
    found.unsubscribe(None, [item])
    assert found.calls == 3
    unreachable = client(klaviyo, base_url=f"http://127.0.0.1:{_closed_port()}")
    with pytest.raises(Unavailable):
        unreachable.unsubscribe(None, [item])
    assert unreachable.calls == 4


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_wrong_key_and_a_lacking_scope_say_what_to_do(klaviyo: KlaviyoWorld) -> None:
    with pytest.raises(Unauthorized, match="does not accept the API key"):
        look_up(client(klaviyo, api_key="pk_wrong"))
    klaviyo.sandbox.klaviyo.account("demo", key="pk_reader", scopes=["lists:read"])
    with pytest.raises(Unauthorized, match="profiles:read"):
        look_up(client(klaviyo, api_key="pk_reader"))


def test_an_unknown_list_is_missing(klaviyo: KlaviyoWorld) -> None:
    found = client(klaviyo)
    with pytest.raises(ListMissing):
        found.list("NoList")
    with pytest.raises(ListMissing):
        list(found.members("NoList"))
    with pytest.raises(ListMissing):
        found.unsubscribe("NoList", [])


def test_a_redirect_is_not_followed(klaviyo: KlaviyoWorld) -> None:
    klaviyo.sandbox.faults.add(Fault(Action.ERROR_BEFORE, status=302))
    with pytest.raises(Misconfigured):
        look_up(client(klaviyo))


def test_neither_key_nor_address_reaches_logs_and_errors(
    klaviyo: KlaviyoWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    texts = []
    for action in (Action.ERROR_BEFORE, Action.RESET_BEFORE, Action.CHALLENGE):
        klaviyo.sandbox.faults.clear()
        klaviyo.sandbox.faults.add(Fault(action))
        with pytest.raises(Unavailable) as caught:
            look_up(client(klaviyo))
        error: BaseException | None = caught.value
        while error is not None:
            texts.append(repr(error))
            error = error.__context__
    closed = f"127.0.0.1:{_closed_port()}"
    with pytest.raises(Unavailable, match=f"could not be reached at {closed} for"):
        look_up(client(klaviyo, base_url=f"http://{closed}"))
    heard = "\n".join([*texts, *(record.getMessage() for record in caplog.records)])
    assert "Try 2 of 4" in heard
    for secret in (KEY, ADDRESS, "secret.person", "filter="):
        assert secret not in heard


def test_another_revision_than_asked_for_is_noticed_once(
    klaviyo: KlaviyoWorld, caplog: pytest.LogCaptureFixture
) -> None:
    found = client(klaviyo, revision="2019-01-01")
    look_up(found)
    look_up(found)
    assert found.answered_revision not in (None, "2019-01-01")
    assert sum("revision" in record.getMessage() for record in caplog.records) == 1


def test_retry_after_is_a_number_or_a_date() -> None:
    now = datetime(2026, 7, 15, 12, tzinfo=UTC)
    assert retry_after("7", now) == 7
    assert retry_after("0.5", now) == 0.5
    assert retry_after(format_datetime(now + timedelta(seconds=90), usegmt=True), now) == 90
    assert retry_after(format_datetime(now - timedelta(seconds=90), usegmt=True), now) == 0
    assert retry_after("soon", now) is None
    assert retry_after("nan", now) is None
    assert retry_after("inf", now) is None
    assert retry_after(None, now) is None


def test_every_try_takes_a_slot(klaviyo: KlaviyoWorld) -> None:
    """Failures count at the vendor too."""
    klaviyo.sandbox.faults.add(Fault(Action.ERROR_BEFORE, times=3))
    found = client(klaviyo)
    before = klaviyo.clock.now()
    found.account()
    assert found.calls == 4
    # One call a second: four calls end three seconds later, margins aside.
    assert klaviyo.clock.now() - before == pytest.approx(3 * (1 + WIDE_MARGIN))


def test_the_clients_windows_are_the_ones_the_sandbox_counts(klaviyo: KlaviyoWorld) -> None:
    found = client(klaviyo, tries=1)
    for _ in range(200):
        found.lists_named("none")
    for _ in range(40):
        found.account()
    assert {status for _, status in klaviyo.sandbox.requests.counts()} == {200}
