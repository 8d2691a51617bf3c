"""Bulk subscribe and unsubscribe: checked at once, done later."""

from __future__ import annotations

from functools import partial

from audience_assets.sandbox.klaviyo import subscriptions
from audience_assets.sandbox.klaviyo.call import Call, Operation, answer
from audience_assets.sandbox.klaviyo.consent_rows import SubscribeCheck, unsubscribe_row
from audience_assets.sandbox.klaviyo.documents import profile_rows, related_list, resource
from audience_assets.sandbox.klaviyo.errors import Problems, refusal
from audience_assets.sandbox.klaviyo.lists import DOUBLE
from audience_assets.sandbox.messages import Response

SCOPES = frozenset({"lists:write", "profiles:write", "subscriptions:write"})
MOST_SUBSCRIBED = 1000
MOST_UNSUBSCRIBED = 100


def bulk_subscribe(call: Call) -> Response:
    data = resource(
        call.body,
        "profile-subscription-bulk-create-job",
        attributes=("custom_source", "profiles", "historical_import"),
        relationships=("list",),
    )
    attributes = data["attributes"]
    historical = attributes.get("historical_import") or False
    if not isinstance(historical, bool):
        raise refusal(400, "'historical_import' must be a boolean.", pointer="/data/attributes/historical_import")
    list_id = related_list(call.account, data)
    target = call.account.find_list(list_id) if list_id else None
    process = target.opt_in_process if target is not None else call.account.settings.default_opt_in
    check = SubscribeCheck(call, historical=historical, double=process == DOUBLE)
    rows = [check.row(index, row) for index, row in enumerate(profile_rows(data, MOST_SUBSCRIBED))]
    check.problems.settle()
    job = subscriptions.SubscribeJob(
        rows=[row for row in rows if row is not None],
        list_id=list_id,
        custom_source=attributes.get("custom_source"),
        historical=historical,
        requested_at=call.now,
        request_id=call.request.id,
    )
    call.later(partial(subscriptions.subscribe, call.account, job))
    response = answer(202, rows=len(rows))
    if check.dropped_phone:
        response.headers["X-Klaviyo-Partial-Failure"] = "phone_number"
    return response


def bulk_unsubscribe(call: Call) -> Response:
    data = resource(
        call.body,
        "profile-subscription-bulk-delete-job",
        attributes=("profiles",),
        relationships=("list",),
    )
    list_id = related_list(call.account, data)
    problems = Problems()
    rows = [unsubscribe_row(index, row, problems) for index, row in enumerate(profile_rows(data, MOST_UNSUBSCRIBED))]
    problems.settle()
    job = subscriptions.UnsubscribeJob([row for row in rows if row is not None], list_id, call.now, call.request.id)
    call.later(partial(subscriptions.unsubscribe, call.account, job))
    return answer(202, rows=len(rows))


OPERATIONS = (
    Operation(
        "bulk_subscribe_profiles",
        "POST",
        "/api/profile-subscription-bulk-create-jobs",
        bulk_subscribe,
        SCOPES,
    ),
    Operation(
        "bulk_unsubscribe_profiles",
        "POST",
        "/api/profile-subscription-bulk-delete-jobs",
        bulk_unsubscribe,
        SCOPES,
    ),
)
