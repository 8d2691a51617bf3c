"""Who is forgotten and comes back is treated with more care than before, never with less."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from audience_assets.forgetting import Erasure, StillListed, forget, read_subject
from audience_assets.sandbox import Sandbox
from audience_assets.sync import open_rejections
from audience_assets_tests.forgetting.memory import remembers
from audience_assets_tests.sync.klaviyo_list import ACTIVATION, USERS
from audience_assets_tests.sync.klaviyo_shop import ANN, PHONES, Shop, open_shop, sandbox

__all__ = ["sandbox"]


@pytest.fixture
def shop(tmp_path: Path, sandbox: Sandbox) -> Iterator[Shop]:
    made = open_shop(tmp_path, sandbox)
    made.sync()
    yield made
    made.runtime.close()


def set_member(shop: Shop, *, present: bool) -> None:
    """Ann, the first user, is in the segment or not."""
    members = shop.runtime.state.segment("vips", "integer")
    with shop.runtime.engine.begin() as connection:
        connection.execute(members.delete().where(members.c.user_key == 1))
        if present:
            connection.execute(members.insert().values(user_key=1, entered_at=datetime.now(UTC)))


def erase(shop: Shop, kind: str = "email", given: str = ANN) -> Erasure:
    return forget(shop.runtime, read_subject(shop.runtime.project, kind, given), erase=True)


def reasons(shop: Shop) -> list[str]:
    return [row.reason for row in open_rejections(shop.runtime, ACTIVATION)]


def test_our_own_opt_out_counts_as_the_persons_once_it_is_forgotten(shop: Shop) -> None:
    set_member(shop, present=False)
    shop.sync()
    assert shop.status(ANN) == "UNSUBSCRIBED"
    set_member(shop, present=True)
    assert shop.sync().added == 1, "our own opt-out does not keep anybody out"

    set_member(shop, present=False)
    shop.sync()
    assert erase(shop).erased
    set_member(shop, present=True)
    shop.sync()
    assert (shop.status(ANN), reasons(shop)) == ("UNSUBSCRIBED", ["vendor_opt_out"])
    assert ANN not in shop.members()


def test_a_persons_own_opt_out_outlives_being_forgotten(shop: Shop) -> None:
    shop.account.opt_out(ANN)
    shop.take_off(ANN)
    shop.reconcile()
    shop.sync()
    assert reasons(shop) == ["vendor_opt_out"]
    assert erase(shop).rows == {"consent_log": 1, "rejection": 1, "list_vips": 1, "segment_vips": 1}
    set_member(shop, present=True)
    shop.sync()
    assert (shop.status(ANN), reasons(shop)) == ("UNSUBSCRIBED", ["vendor_opt_out"])


def test_a_newer_consent_lets_who_was_forgotten_back_in(shop: Shop) -> None:
    set_member(shop, present=False)
    shop.sync()
    erase(shop)
    shop.consents(ANN, datetime.now(UTC))
    set_member(shop, present=True)
    shop.sync()
    assert shop.status(ANN) == "SUBSCRIBED"


@pytest.mark.parametrize("written", ["+44 7400-123-451", "07400 123451", "(0044) 7400 123451"])
def test_a_number_is_found_however_it_is_written(tmp_path: Path, sandbox: Sandbox, written: str) -> None:
    shop = open_shop(tmp_path, sandbox, channels=("sms",))
    effective = shop.runtime.project.effective
    mapping = effective[ACTIVATION].mapping.model_copy(update={"default_region": "GB"})
    effective[ACTIVATION] = effective[ACTIVATION].model_copy(update={"mapping": mapping})
    with shop.runtime.engine.begin() as connection:
        connection.execute(USERS.update().where(USERS.c.email == ANN).values(phone=written))
        assert connection.scalar(sa.select(USERS.c.id).where(USERS.c.email == ANN)) == 1
    shop.sync()
    with pytest.raises(StillListed):
        erase(shop, "phone", PHONES[ANN])
    set_member(shop, present=False)
    shop.sync()
    found = erase(shop, "phone", "+44 7400 123451")
    assert (found.erased, found.users) == (True, {"users": 1})
    assert remembers(shop.runtime, "123451", "123-451") == set()
    assert remembers(shop.runtime, "123452"), "others are still known"
    shop.runtime.close()
