"""Secrets stay out of the project until they are used, and out of every message."""

from __future__ import annotations

from pathlib import Path

import pytest

from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.errors import AudienceError
from audience_assets.project.activations import Destination, EnvValue
from audience_assets.project.environment import MissingVariable
from audience_assets.project.load import load_project, resolve_env, resolve_settings
from audience_assets_tests.project.vendors import POST

KLAVIYO = DESTINATIONS["klaviyo"]
SECRET = "pk_live_0123456789"


def test_a_project_never_holds_a_secret(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLAVIYO_API_KEY", SECRET)
    project = load_project(shop)
    assert SECRET not in repr(project)
    assert project.destinations["klaviyo"].settings == {"api_key": {"env": "KLAVIYO_API_KEY"}}
    settings = resolve_settings(project.destinations["klaviyo"], KLAVIYO)
    assert SECRET in str(settings.model_dump()["api_key"].get_secret_value())
    assert SECRET not in repr(settings)


def test_loading_needs_no_variable(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KLAVIYO_API_KEY", raising=False)
    monkeypatch.delenv("SHOP_WAREHOUSE", raising=False)
    project = load_project(shop)
    with pytest.raises(MissingVariable, match="The environment variable SHOP_WAREHOUSE is not set"):
        resolve_env(project.settings.warehouse.url)
    with pytest.raises(MissingVariable, match="KLAVIYO_API_KEY"):
        resolve_settings(project.destinations["klaviyo"], KLAVIYO)


def test_an_empty_variable_is_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_WAREHOUSE", "")
    with pytest.raises(MissingVariable):
        resolve_env(EnvValue(env="SHOP_WAREHOUSE"))


def test_text_and_variables_are_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_WAREHOUSE", "sqlite:///shop.db")
    assert resolve_env("sqlite://") == "sqlite://"
    assert resolve_env(EnvValue(env="SHOP_WAREHOUSE")) == "sqlite:///shop.db"


def test_a_wrong_value_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POST_TOKEN", "short")
    monkeypatch.setenv("POST_REGION", "moon")
    destination = Destination(type="post", settings={"token": {"env": "POST_TOKEN"}, "region": {"env": "POST_REGION"}})
    with pytest.raises(AudienceError) as caught:
        resolve_settings(destination, POST)
    message = str(caught.value)
    assert "token" in message
    assert "region the value is not one of eu, us" in message
    assert "short" not in message.replace("too short", "")
    assert "moon" not in message
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
