"""Who hears of failed runs. A notice names runs, lists and our own words; never what a library quoted."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import backoff
import dagster as dg
import requests

from audience_assets.assets.keys import step_name
from audience_assets.errors import AudienceError
from audience_assets.project.environment import resolve_env
from audience_assets.project.project import Project

_log = logging.getLogger(__name__)

NOTIFIED_TAG = "audience_assets/notified"
WILL_RETRY_TAG = "dagster/will_retry"
TIMEOUT_SECONDS = 10
TRIES = 3


@dataclass(frozen=True)
class FailedAsset:
    """One segment or list that was not brought up to date, and why."""

    asset: str
    reason: str


@dataclass(frozen=True)
class Notice:
    """A failed run: what a person needs to decide whether to get up."""

    project: str
    run_id: str
    job: str
    partition: str | None
    failed: tuple[FailedAsset, ...]

    @property
    def text(self) -> str:
        """One line a failed asset, for chats that show `text`."""
        lines = [f"{each.asset}: {each.reason}" for each in self.failed] or ["the run did not start"]
        return "\n".join([f"{self.project}: Dagster run {self.run_id[:8]} failed.", *lines])


class Notifier(Protocol):
    """A way to tell people. May raise AudienceError when nobody could be told."""

    def notify(self, notice: Notice) -> None: ...


class LogNotifier:
    """Tells the daemon's log, where a log collector finds it."""

    def notify(self, notice: Notice) -> None:
        _log.error("%s", notice.text)


def _is_refusal(error: Exception) -> bool:
    """4xx: the same call will be refused again."""
    response = error.response if isinstance(error, requests.RequestException) else None
    return response is not None and 400 <= response.status_code < 500


class WebhookNotifier:
    """Posts the notice as JSON, with a `text` that Slack, Teams and Mattermost show."""

    def __init__(self, url: str) -> None:
        self._url = url

    def notify(self, notice: Notice) -> None:
        try:
            self._post({"text": notice.text, **asdict(notice)})
        except requests.RequestException as error:
            # Addresses of webhooks are secrets, and the library's words repeat them.
            raise AudienceError(f"The webhook could not be told of run {notice.run_id}: {_fault(error)}.") from None

    @backoff.on_exception(backoff.expo, requests.RequestException, max_tries=TRIES, giveup=_is_refusal, logger=None)
    def _post(self, body: dict[str, object]) -> None:
        requests.post(self._url, json=body, timeout=TIMEOUT_SECONDS).raise_for_status()


def _fault(error: requests.RequestException) -> str:
    return f"HTTP {error.response.status_code}" if error.response is not None else type(error).__name__


def project_notifiers(project: Project) -> list[Notifier]:
    """The log, and the webhook if the project names one. Reads the environment."""
    url = project.settings.notifications.webhook_url
    return [LogNotifier()] if url is None else [LogNotifier(), WebhookNotifier(resolve_env(url))]


def failure_sensor(
    project: Project, keys: Sequence[dg.AssetKey], notifiers: Sequence[Notifier] | None = None
) -> dg.SensorDefinition:
    """Tells once of a run that failed for good, however often it was tried."""
    assets = {step_name(key): key.to_user_string() for key in keys}

    @dg.run_failure_sensor(
        name="failed_runs",
        description="Tells of failed deliveries, once when no automatic retry follows.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def failed_runs(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        run = context.dagster_run
        root = run.root_run_id or run.run_id
        if run.tags.get(WILL_RETRY_TAG) == "true":
            return dg.SkipReason("Dagster tries this run again")
        first = context.instance.get_run_by_id(root)
        if first is not None and NOTIFIED_TAG in first.tags:
            return dg.SkipReason(f"run {root} was told of already")
        notice = Notice(
            project=project.settings.project,
            run_id=run.run_id,
            job=run.job_name,
            partition=run.tags.get("dagster/partition"),
            failed=tuple(_failed(event, assets) for event in context.get_step_failure_events()),
        )
        for notifier in notifiers if notifiers is not None else project_notifiers(project):
            notifier.notify(notice)
        if first is not None:
            context.instance.add_run_tags(root, {NOTIFIED_TAG: "true"})
        return None

    return failed_runs


def _failed(event: dg.DagsterEvent, assets: dict[str, str]) -> FailedAsset:
    """Our own words where the failure is ours; of any other error only its kind."""
    step = event.step_key or ""
    data = event.step_failure_data
    own = data.user_failure_data.description if data.user_failure_data else None
    kind = data.error.cls_name if data.error else None
    return FailedAsset(assets.get(step, step), own or f"{kind or 'an error'}; the run's log has it")
