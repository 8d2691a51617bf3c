"""Failed runs are told of, once, over real HTTP, without personal data or secrets."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import dagster as dg
import pytest

from audience_assets import build_definitions
from audience_assets.assets.notify import Notice, WebhookNotifier
from audience_assets.errors import AudienceError
from audience_assets_tests.assets.shop import FILES, Shop, write_project


class Listener:
    """A chat's webhook: keeps what was posted and answers with `status`."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.status = 200
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.received.append(json.loads(body))
                self.send_response(listener.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook/very-secret-path"


@pytest.fixture
def webhook() -> Iterator[Listener]:
    listener = Listener()
    thread = threading.Thread(target=listener.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield listener
    listener.server.shutdown()
    thread.join()
    listener.server.server_close()


@pytest.fixture
def told_shop(shop: Shop, webhook: Listener, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The shop with a webhook in its project."""
    monkeypatch.setenv("SHOP_WEBHOOK", webhook.url)
    text = FILES["project.yaml"] + "notifications: {webhook_url: {env: SHOP_WEBHOOK}}\n"
    write_project(shop.folder, {"project.yaml": text})
    shop.definitions = build_definitions(shop.folder)
    return shop


def trip_the_guard(shop: Shop) -> dg.ExecuteInProcessResult:
    assert shop.materialize().success
    shop.change(range(20, 30), score=0)
    result = shop.materialize()
    assert not result.success
    return result


def tell(shop: Shop, result: dg.ExecuteInProcessResult, run: dg.DagsterRun | None = None) -> Any:
    """What the sensor does when Dagster hands it this failure."""
    failed = run or shop.instance.get_run_by_id(result.run_id)
    assert failed is not None
    context = dg.build_run_status_sensor_context(
        sensor_name="failed_runs",
        dagster_event=next(e for e in result.all_events if e.event_type is dg.DagsterEventType.RUN_FAILURE),
        dagster_instance=shop.instance,
        dagster_run=failed,
    ).for_run_failure()
    return shop.sensor("failed_runs")(context)


def test_the_failed_list_is_named_with_our_reason(told_shop: Shop, webhook: Listener) -> None:
    result = trip_the_guard(told_shop)
    tell(told_shop, result)
    [posted] = webhook.received
    assert posted["project"] == "shop" and posted["run_id"] == result.run_id
    [failed] = posted["failed"]
    assert failed["asset"] == "klaviyo/best"
    assert "max_removed_percent" in failed["reason"]
    assert failed["reason"] in posted["text"]
    assert "shop-customers.com" not in json.dumps(posted)


def test_a_run_and_its_repetitions_are_told_of_once(told_shop: Shop, webhook: Listener) -> None:
    result = trip_the_guard(told_shop)
    tell(told_shop, result)
    tell(told_shop, result)
    first = told_shop.instance.get_run_by_id(result.run_id)
    assert first is not None
    tell(told_shop, result, first._replace(run_id=dg_run_id(), root_run_id=first.run_id, parent_run_id=first.run_id))
    assert len(webhook.received) == 1


def test_a_run_that_is_tried_again_is_not_told_of_yet(told_shop: Shop, webhook: Listener) -> None:
    result = trip_the_guard(told_shop)
    told_shop.instance.add_run_tags(result.run_id, {"dagster/will_retry": "true"})
    tell(told_shop, result)
    assert webhook.received == []


def dg_run_id() -> str:
    from dagster._core.utils import make_new_run_id

    return make_new_run_id()


def test_a_webhook_that_refuses_is_an_error_without_its_address(webhook: Listener) -> None:
    webhook.status = 404
    with pytest.raises(AudienceError, match="HTTP 404") as refused:
        WebhookNotifier(webhook.url).notify(Notice("shop", "0123", "job", None, ()))
    assert "very-secret-path" not in str(refused.value)
