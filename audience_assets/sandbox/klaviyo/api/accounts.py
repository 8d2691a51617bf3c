"""The account that a key belongs to."""

from __future__ import annotations

from typing import Any

from audience_assets.sandbox.klaviyo.call import EXTRA_SMALL, Call, Operation, answer
from audience_assets.sandbox.klaviyo.errors import refusal
from audience_assets.sandbox.klaviyo.query import QuerySpec, sparse
from audience_assets.sandbox.messages import Response

SCOPES = frozenset({"accounts:read"})
QUERY = QuerySpec(fields=frozenset({"account"}))


def get_accounts(call: Call) -> Response:
    return answer(200, {"data": [_account(call)], "links": {"self": call.address, "next": None, "prev": None}})


def get_account(call: Call) -> Response:
    if call.ids["id"] != call.account.id:
        raise refusal(404, f"An account with id {call.ids['id']} does not exist.")
    return answer(200, {"data": _account(call), "links": {"self": call.address}})


def _account(call: Call) -> dict[str, Any]:
    account = call.account
    address = dict.fromkeys(("address1", "address2", "city", "region", "country", "zip"))
    attributes = {
        "test_account": True,
        "contact_information": {
            "default_sender_name": account.name,
            "default_sender_email": "sender@example.com",
            "website_url": None,
            "organization_name": account.name,
            "street_address": address,
        },
        "industry": None,
        "timezone": "UTC",
        "preferred_currency": "EUR",
        "public_api_key": account.id,
        "locale": "en-US",
    }
    return {
        "type": "account",
        "id": account.id,
        "attributes": sparse(attributes, call.query.fields.get("account")),
        "links": {"self": f"{call.base}/api/accounts/{account.id}/"},
    }


OPERATIONS = (
    Operation("get_accounts", "GET", "/api/accounts", get_accounts, SCOPES, limits=EXTRA_SMALL, query=QUERY),
    Operation("get_account", "GET", "/api/accounts/{id}", get_account, SCOPES, limits=EXTRA_SMALL, query=QUERY),
)
