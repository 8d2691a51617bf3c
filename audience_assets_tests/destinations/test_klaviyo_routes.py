"""By calls or by file: which way an audience list takes, and why."""

from __future__ import annotations

from typing import Any

import pytest

from audience_assets.destinations.base import Mapped, Route
from audience_assets.destinations.klaviyo.routes import routes
from audience_assets.destinations.klaviyo.settings import AudienceListOptions, KlaviyoSettings

HOUR, MINUTE = 3600.0, 60.0
PLAIN = Mapped({"email": "text"}, {"tier": "text"})
NAMED = Mapped({"email": "text", "external_id": "text"}, {"first_name": "text", "location.city": "text"})


def decide(
    by_calls: float, by_file: float, mapped: Mapped = PLAIN, headers: dict[str, str] | None = None, **options: Any
) -> dict[str, Route]:
    settings = KlaviyoSettings.model_validate({"api_key": "pk_x", "sftp_headers": headers or {}})
    found = routes(by_calls, by_file, settings, AudienceListOptions.model_validate(options), mapped)
    assert sum(each.chosen for each in found) == 1
    return {each.name: each for each in found}


@pytest.mark.parametrize(
    ("by_calls", "by_file", "options", "chosen"),
    [
        (HOUR, MINUTE, {}, "sftp"),
        (9 * MINUTE, 1.0, {}, "api"),
        (9 * MINUTE, 1.0, {"sftp_from_minutes": 5}, "sftp"),
        (HOUR, 2 * HOUR, {}, "api"),
        (HOUR, MINUTE, {"route": "api"}, "api"),
        (1.0, HOUR, {"route": "sftp"}, "sftp"),
    ],
)
def test_files_are_for_loads_that_calls_make_long(
    by_calls: float, by_file: float, options: dict[str, Any], chosen: str
) -> None:
    found = decide(by_calls, by_file, **options)
    assert found[chosen].chosen
    assert (found["api"].seconds, found["sftp"].seconds) == (by_calls, by_file)


def test_columns_whose_spelling_nobody_has_confirmed_are_not_chosen_by_themselves() -> None:
    found = decide(HOUR, MINUTE, NAMED)
    assert found["api"].chosen
    assert "external_id, first_name, location.city" in found["sftp"].note
    assert "sftp_headers" in found["sftp"].note
    said = {"external_id": "ExternalID", "first_name": "FirstName", "location.city": "City"}
    assert decide(HOUR, MINUTE, NAMED, said)["sftp"].chosen
    assert decide(HOUR, MINUTE, NAMED, route="sftp")["sftp"].chosen
