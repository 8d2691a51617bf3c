"""What `check` and `doctor` warn of."""

from __future__ import annotations

from pathlib import Path

import pytest

from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.project.cautions import Caution, find_cautions
from audience_assets.project.load import load_project
from audience_assets_tests.project.folder import write


def cautions(shop: Path) -> list[Caution]:
    return find_cautions(load_project(shop), DESTINATIONS)


@pytest.fixture
def shop(shop: Path) -> Path:
    """With one list on e-mail alone."""
    (shop / "activations/big_spenders.yaml").unlink()
    return shop


def add(shop: Path, name: str, *, channels: str, destination: str = "klaviyo") -> None:
    mapped = "mapping: {identifiers: {email: email, phone: phone}}\nconsent: {import_history: false}"
    text = f"segment: churn_risk\ndestination: {destination}\nlist_name: {name}\noptions: {{channels: {channels}}}\n"
    write(shop, f"activations/{name}.yaml", f"{text}{mapped}\n")


def test_one_list_an_account_is_no_trap(shop: Path) -> None:
    assert cautions(shop) == []


def test_lists_of_one_account_that_share_channels_are_named(shop: Path) -> None:
    add(shop, "first", channels="[email, sms]")
    add(shop, "second", channels="[email, sms]")
    [found] = cautions(shop)
    assert found.activations == ("churn_risk", "first", "second")
    assert found.message.startswith("churn_risk, first, second share an account and email, sms. ")
    assert "global-unsubscribe setting" in found.message


def test_a_long_row_of_names_is_cut(shop: Path) -> None:
    for number in range(20):
        add(shop, f"list_{number}", channels="[email]")
    [found] = cautions(shop)
    assert len(found.activations) == 21
    assert "list_18 and 9 more share" in found.message


def test_lists_of_different_channels_do_not_touch_each_other(shop: Path) -> None:
    add(shop, "first", channels="[sms]")
    assert cautions(shop) == []


@pytest.mark.parametrize(("key", "traps"), [("KLAVIYO_API_KEY", 1), ("OTHER_KEY", 0)])
def test_destinations_with_one_key_are_one_account(shop: Path, key: str, traps: int) -> None:
    text = (shop / "destinations.yaml").read_text().rstrip("\n")
    write(shop, "destinations.yaml", f"{text}\n  other:\n    type: klaviyo\n    api_key: {{env: {key}}}\n")
    add(shop, "first", channels="[email]", destination="other")
    assert len(cautions(shop)) == traps
