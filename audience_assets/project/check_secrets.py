"""Are addresses in `project.yaml` free of secrets. Those of destinations are checked with their vendor's settings.

A warehouse's address may hold a password. A webhook's is a secret altogether: whoever knows it can post.
https://api.slack.com/messaging/webhooks
"""

from __future__ import annotations

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from audience_assets.project.places import Place
from audience_assets.project.project import ProjectFile

# Parameters by which drivers take what must not be known: sslpassword, motherduck_token, private_key_passphrase.
_SECRET_PARAMETERS = ("password", "passwd", "pwd", "passphrase", "token", "secret", "private_key", "credentials_base64")


def check_secrets(settings: ProjectFile, place: Place) -> None:
    """`place` is the file's root. The messages repeat no part of an address."""
    if isinstance(settings.warehouse.url, str) and _holds_secret(settings.warehouse.url):
        _report("a password does not belong in a file", "WAREHOUSE_URL", place.at("warehouse", "url"))
    if isinstance(settings.notifications.webhook_url, str):
        said = "whoever knows a webhook's address can post there: it does not belong in a file"
        _report(said, "WEBHOOK_URL", place.at("notifications", "webhook_url"))


def _report(message: str, variable: str, place: Place) -> None:
    hint = f"write {place.path[-1]}: {{env: {variable}}} and set that variable to the whole address"
    place.report(message, hint)


def _holds_secret(address: str) -> bool:
    try:
        url = make_url(address)
    except ArgumentError:  # opening it says what is wrong
        return False
    names = (name.lower() for name in url.query)
    return bool(url.password) or any(part in name for name in names for part in _SECRET_PARAMETERS)
