"""Ctrl-C during the demo's run, wherever Dagster is at that moment."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from audience_assets.demo.interrupts import Interrupts
from audience_assets.demo.pipeline import Pipeline, RunFailed

DAYS = dg.DailyPartitionsDefinition("2026-01-01")


@dg.asset(partitions_def=DAYS)
def first() -> None:
    """Done."""


@dg.asset(partitions_def=DAYS, deps=[first])
def second() -> None:
    """Done after it."""


@dg.asset(partitions_def=DAYS)
def cut() -> None:
    signal.raise_signal(signal.SIGINT)


@dg.asset(partitions_def=DAYS)
def failing() -> None:
    raise ValueError


@dg.asset(partitions_def=DAYS)
def deaf() -> None:
    """As where Python clears objects away."""
    with contextlib.suppress(BaseException):
        signal.raise_signal(signal.SIGINT)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def materialize(instance: dg.DagsterInstance, *assets: dg.AssetsDefinition) -> None:
    with Interrupts() as interrupts:
        Pipeline(dg.Definitions(assets), instance, interrupts).materialize_everything()


def done(instance: dg.DagsterInstance) -> list[str]:
    """Names of what was materialized."""
    keys = sorted(instance.all_asset_keys())
    return [key.to_user_string() for key in keys if instance.get_latest_materialization_event(key)]


@pytest.mark.parametrize("asset", [cut, deaf])
def test_an_interrupt_within_a_step_ends_the_run(instance: dg.DagsterInstance, asset: dg.AssetsDefinition) -> None:
    with pytest.raises(KeyboardInterrupt):
        materialize(instance, asset)


def test_an_interrupt_between_steps_ends_the_run(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    """While Dagster writes its history it has put our handler away."""
    write = instance.handle_new_event

    def write_and_cut(entry: dg.EventLogEntry, **more: Any) -> None:
        write(entry, **more)
        if entry.dagster_event is not None and entry.dagster_event.is_step_success:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(instance, "handle_new_event", write_and_cut)
    with pytest.raises(KeyboardInterrupt):
        materialize(instance, first, second)
    assert done(instance) == ["first"]


def test_a_failure_is_no_interrupt(instance: dg.DagsterInstance) -> None:
    with pytest.raises(RunFailed, match="failing: "):
        materialize(instance, failing, first)
    assert done(instance) == ["first"]


def test_an_interrupt_that_is_lost_is_not_shown_and_comes_again(capsys: pytest.CaptureFixture[str]) -> None:
    class Cleared:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    with Interrupts() as interrupts:
        Cleared()
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
        interrupts.check()
    assert capsys.readouterr().err == ""
