"""The account's information and the server's clock."""

from __future__ import annotations

from audience_assets.sandbox.dotdigital.call import HIGH, Call, Operation, answer
from audience_assets.sandbox.dotdigital.render import moment
from audience_assets.sandbox.messages import Response

FLAT_CALLS_AN_HOUR = 2000


def get_account_info(call: Call) -> Response:
    """A list of triples whose values are all text; the address ends in a slash."""
    account = call.account
    recent = sum(at > call.now - 3600 for at in account.calls)
    region = account.settings.region
    properties = (
        ("Name", "String", account.name),
        ("MainEmail", "String", "owner@example.com"),
        ("APILocale", "String", "en-GB"),
        ("ApiCallsInLastHour", "Int", str(recent)),
        ("ApiCallsRemaining", "Int", str(max(0, FLAT_CALLS_AN_HOUR - recent))),
        ("ApiEndpoint", "String", f"{call.request.base_url}/{region + '/' if region else ''}"),
        ("TimeZoneIana", "String", "Europe/London"),
    )
    shown = [{"name": name, "type": kind, "value": value} for name, kind, value in properties]
    return answer(200, {"id": account.id, "properties": shown})


def get_server_time(call: Call) -> Response:
    return Response(200, moment(call.now).encode(), {"Content-Type": "text/plain"})


OPERATIONS = (
    Operation("get_account_info", "GET", "/v2/account-info", get_account_info, HIGH),
    Operation("get_server_time", "GET", "/v2/server-time", get_server_time, HIGH),
)
