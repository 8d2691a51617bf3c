"""Klaviyo's resources as JSON:API objects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from audience_assets.sandbox.klaviyo.consents import NEVER_SUBSCRIBED, SUBSCRIBED, Consent, Permissions
from audience_assets.sandbox.klaviyo.jobs import EXPIRES_AFTER, IMPORT, FailedRow, Job
from audience_assets.sandbox.klaviyo.lists import KlaviyoList
from audience_assets.sandbox.klaviyo.profiles import Profile
from audience_assets.sandbox.klaviyo.query import Query, sparse

Object = dict[str, Any]

TEXT_ATTRIBUTES = ("first_name", "last_name", "organization", "locale", "title", "image")
LOCATION = (
    "address1",
    "address2",
    "city",
    "country",
    "latitude",
    "longitude",
    "region",
    "zip",
    "timezone",
    "ip",
)
PROFILE_RELATIONS = ("lists", "segments", "push-tokens", "conversations")
PREDICTIONS = (
    "historic_clv",
    "predicted_clv",
    "total_clv",
    "historic_number_of_orders",
    "predicted_number_of_orders",
    "average_days_between_orders",
    "average_order_value",
    "churn_probability",
    "expected_date_of_next_order",
)


def moment(seconds: float | None, *, exact: bool = False) -> str | None:
    """A time as Klaviyo writes it: whole seconds, or microseconds right after creation."""
    if seconds is None:
        return None
    when = datetime.fromtimestamp(seconds, UTC)
    return when.isoformat(timespec="microseconds" if exact else "seconds")


def profile(base: str, each: Profile, query: Query, *, joined: float | None = None, member: bool = False) -> Object:
    """A profile; in a list (`member`) also when it joined."""
    own = each.attributes or {}
    attributes: Object = {
        "email": each.email,
        "phone_number": each.phone_number,
        "external_id": each.external_id,
        "anonymous_id": None,
        "whatsapp_bsuid": None,
        **{name: own.get(name) for name in TEXT_ATTRIBUTES},
        "created": moment(each.created),
        "updated": moment(each.updated),
        "last_event_date": None,
        "location": dict.fromkeys(LOCATION) | (own.get("location") or {}),
        "properties": own.get("properties") or {},
    }
    if member:
        attributes["joined_group_at"] = moment(joined)
    if "subscriptions" in query.additional:
        attributes["subscriptions"] = subscriptions(each.permissions or Permissions())
    if "predictive_analytics" in query.additional:
        attributes["predictive_analytics"] = dict.fromkeys(PREDICTIONS)
    own_address = f"{base}/api/profiles/{each.id}"
    return {
        "type": "profile",
        "id": each.id,
        "attributes": sparse(attributes, query.fields.get("profile")),
        "relationships": {name: {"links": _relation(own_address, name)} for name in PROFILE_RELATIONS},
        "links": {"self": f"{own_address}/"},
    }


def subscriptions(held: Permissions) -> Object:
    """Consent on every channel, suppressions included."""
    email, sms = held.consents.get("email.marketing"), held.consents.get("sms.marketing")
    suppressions = [{"reason": s.reason, "timestamp": moment(s.at)} for s in held.suppressions if s.list_id is None]
    marketing = {
        "can_receive_email_marketing": not suppressions,
        **_consent(email),
        "custom_method_detail": email.custom_detail if email else None,
        "double_optin": email.double_optin if email else None,
        "suppression": suppressions,
        "list_suppressions": [
            {"list_id": s.list_id, "reason": s.reason, "timestamp": moment(s.at)}
            for s in held.suppressions
            if s.list_id is not None
        ],
    }
    transactional = held.consents.get("sms.transactional")
    push = held.consents.get("push.marketing")
    return {
        "email": {
            "marketing": marketing,
            "open_tracking": _channel(held.consents.get("email.open_tracking")),
        },
        "sms": {
            "marketing": {"can_receive_sms_marketing": _may(sms), **_consent(sms)},
            "transactional": {"can_receive_sms_transactional": _may(transactional), **_consent(transactional)},
        },
        "mobile_push": {
            "marketing": {
                "can_receive_push_marketing": _may(push) and bool(held.push_tokens),
                "consent": _status(push),
                "consent_timestamp": moment(push.consented_at) if push else None,
            }
        },
        "whatsapp": {
            name: _channel(held.consents.get(f"whatsapp.{name}")) | {"phone_number": None}
            for name in ("marketing", "transactional", "conversational")
        },
    }


def _consent(consent: Consent | None) -> Object:
    return {
        "consent": _status(consent),
        "consent_timestamp": moment(consent.consented_at) if consent else None,
        "last_updated": moment(consent.updated_at) if consent else None,
        "method": consent.method if consent else None,
        "method_detail": "",
    }


def _channel(consent: Consent | None) -> Object:
    return {
        "consent": _status(consent),
        "can_receive": _may(consent),
        "consent_timestamp": moment(consent.consented_at) if consent else None,
        "last_updated": moment(consent.updated_at) if consent else None,
        "created_timestamp": moment(consent.consented_at) if consent else None,
        "metadata": {},
        "valid_until": None,
    }


def _status(consent: Consent | None) -> str:
    return consent.status if consent else NEVER_SUBSCRIBED


def _may(consent: Consent | None) -> bool:
    return consent is not None and consent.status == SUBSCRIBED


def identity(each: Profile) -> Object:
    return {"type": "profile", "id": each.id}


def list_resource(base: str, each: KlaviyoList, query: Query, *, fresh: bool = False) -> Object:
    """A list; `fresh` ones show microseconds."""
    attributes: Object = {
        "name": each.name,
        "created": moment(each.created, exact=fresh),
        "updated": moment(each.updated, exact=fresh),
        "opt_in_process": each.opt_in_process,
    }
    if "profile_count" in query.additional:
        attributes["profile_count"] = len(each)
    own_address = f"{base}/api/lists/{each.id}"
    return {
        "type": "list",
        "id": each.id,
        "attributes": sparse(attributes, query.fields.get("list")),
        "relationships": {
            name: {"links": _relation(own_address, name)} for name in ("profiles", "tags", "flow-triggers")
        },
        "links": {"self": f"{own_address}/"},
    }


def job(base: str, each: Job, query: Query, now: float) -> Object:
    """An import or (un)suppression job as it stands now."""
    done = each.finished <= now
    attributes: Object = {
        "status": each.status(now),
        "created_at": moment(each.created),
        "total_count": each.total,
        "completed_count": each.completed,
        "completed_at": moment(each.finished) if done else None,
    }
    own_address = f"{base}/api/{each.kind}s/{each.id}"
    lists = [{"type": "list", "id": list_id} for list_id in each.list_ids]
    if each.kind == IMPORT:
        attributes |= {
            "failed_count": each.failed,
            "expires_at": moment(each.created + EXPIRES_AFTER),
            "started_at": moment(each.started) if each.started <= now else None,
        }
        relationships = {
            "lists": {"data": lists, "links": _relation(own_address, "lists")},
            "profiles": {"links": _relation(own_address, "profiles")},
            "import-errors": {"links": {"related": f"{own_address}/import-errors/"}},
        }
    else:
        attributes["skipped_count"] = each.skipped
        segments = [{"type": "segment", "id": segment_id} for segment_id in each.segment_ids]
        relationships = {"lists": {"data": lists}, "segments": {"data": segments}}
    return {
        "type": each.kind,
        "id": each.id,
        "attributes": sparse(attributes, query.fields.get(each.kind)),
        "relationships": relationships,
        "links": {"self": f"{own_address}/"},
    }


def failed_row(base: str, job_id: str, each: FailedRow, query: Query) -> Object:
    attributes: Object = {
        "code": each.code,
        "title": each.title,
        "detail": each.detail,
        "source": {"pointer": each.pointer},
        "original_payload": each.payload,
    }
    address = f"{base}/api/{IMPORT}s/{job_id}/import-errors/{each.id}/"
    return {
        "type": "import-error",
        "id": each.id,
        "attributes": sparse(attributes, query.fields.get("import-error")),
        "links": {"self": address},
    }


def _relation(address: str, name: str) -> dict[str, str]:
    return {"self": f"{address}/relationships/{name}/", "related": f"{address}/{name}/"}
