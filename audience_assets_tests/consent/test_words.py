"""A consent history may call channels as it likes, and words that nobody reads are told of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from audience_assets.consent.words import unread_words
from audience_assets_tests.conftest import WAREHOUSES
from audience_assets_tests.sync.klaviyo_list import ACTIVATION
from audience_assets_tests.sync.live_list import LiveList, MakeList, live_lists


@pytest.fixture
def make(tmp_path: Path, make_warehouse: Callable[[str], Engine]) -> Iterator[MakeList]:
    with live_lists(tmp_path, make_warehouse) as maker:
        yield maker


def call_channels(target: LiveList, **channels: list[str]) -> None:
    project = target.runtime.project
    activation = project.effective[ACTIVATION]
    assert activation.consent.history is not None
    history = activation.consent.history.model_copy(update={"channels": channels})
    consent = activation.consent.model_copy(update={"history": history})
    effective = {ACTIVATION: activation.model_copy(update={"consent": consent})}
    target.runtime = replace(target.runtime, project=replace(project, effective=effective))


@pytest.mark.parametrize("warehouse", WAREHOUSES)
def test_an_opt_out_counts_under_each_name_of_its_channel(make: MakeList, warehouse: str) -> None:
    target = make(warehouse=warehouse)
    target.account.add_profiles([{"email": "ann@x.com"}, {"email": "bob@x.com"}])
    target.users({1: {"email": "ann@x.com"}, 2: {"email": "bob@x.com"}})
    for user, channel in ((1, "Newsletter "), (2, "all")):
        target.event(user, "unsubscribed", (target.now - timedelta(days=1)).replace(tzinfo=None), channel)
    call_channels(target, email=["email", "newsletter", "All"], sms=["sms", "all"])
    target.sync()
    assert (target.listed(), target.reasons()) == (set(), {("history_opt_out", "email")})


@pytest.mark.parametrize("warehouse", WAREHOUSES)
def test_words_that_no_list_reads_are_told_of(make: MakeList, warehouse: str) -> None:
    target = make(warehouse=warehouse)
    at = (target.now - timedelta(days=1)).replace(tzinfo=None)
    target.event(1, "subscribed", at, "SMS")
    assert unread_words(target.runtime, "consents") == []
    for channel in ("push", "push", "Text"):
        target.event(1, "unsubscribed", at, channel)
    target.event(1, "bounced", at)
    channels, statuses = unread_words(target.runtime, "consents")
    assert channels.startswith("no list reads entries of the channel 'push' (2), 'text' (1): ")
    assert statuses.startswith("the status 'bounced' (1) is neither in `opted_in` nor in `opted_out`")
    call_channels(target, sms=["sms", "text"], push=["push"])
    assert unread_words(target.runtime, "consents") == [statuses]
