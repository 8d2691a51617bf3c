"""The checks that Klaviyo makes on each row of a consent call before it accepts the call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from audience_assets.sandbox.klaviyo.call import Call
from audience_assets.sandbox.klaviyo.documents import PROFILES, check_email
from audience_assets.sandbox.klaviyo.errors import Problems
from audience_assets.sandbox.klaviyo.phones import region_of
from audience_assets.sandbox.klaviyo.subscriptions import Subscriber

# Consent objects of each channel; those without a consent date at all.
SUBSCRIBE_CHANNELS = {
    "email": ("marketing", "open_tracking", "click_tracking"),
    "sms": ("marketing", "transactional"),
    "whatsapp": ("marketing", "transactional"),
    "push": ("marketing",),
}
UNSUBSCRIBE_CHANNELS = SUBSCRIBE_CHANNELS | {"whatsapp": ("marketing", "transactional", "conversational")}
UNDATED = frozenset({"email.open_tracking", "email.click_tracking"})
CLICK_TRACKING_SINCE = "2026-10-15"
PUSH_EXTRAS = frozenset({"tokens", "anonymous_id"})

UNUSABLE_PHONE = "Invalid phone number format (Example of a valid format: +12345678901)."
PHONE_MISSING = "'phone_number' must not be empty when the sms channel is included in 'subscriptions'."
EMAIL_MISSING = "'email' must not be empty when the email channel is included in 'subscriptions'."


class SubscribeCheck:
    """Checks the rows of one subscribe call; `problems` collects what is wrong."""

    def __init__(self, call: Call, *, historical: bool, double: bool) -> None:
        self.problems = Problems()
        self.dropped_phone = False
        self._call = call
        self._historical = historical
        self._double = double

    def row(self, index: int, row: Mapping[str, Any]) -> Subscriber | None:
        """The row, or None when something is wrong with it."""
        at = f"{PROFILES}/{index}"
        known = ("email", "phone_number", "subscriptions", "age_gated_date_of_birth")
        given = _attributes(row, known, at, self.problems)
        if given is None:
            return None
        profile_id = self._profile_id(row.get("id"), f"{at}/id")
        email = check_email(given.get("email"), f"{at}/attributes/email", self.problems)
        phone = self._phone(given, f"{at}/attributes")
        consents = dict(_consents(given["subscriptions"], SUBSCRIBE_CHANNELS, "SUBSCRIBED", at, self.problems))
        channels = {
            name: self._consented_at(name, consent, f"{at}/attributes/subscriptions/{name.replace('.', '/')}")
            for name, consent in consents.items()
        }
        self._identified(profile_id, email, phone, given, channels, at)
        if phone and any(name.startswith("sms.") for name in channels):
            self._sms(phone, given.get("age_gated_date_of_birth"), at)
        push = given["subscriptions"].get("push") or {}
        tokens = [t["token"] for t in push.get("tokens") or () if isinstance(t, dict) and "token" in t]
        if phone is None:
            channels = {name: when for name, when in channels.items() if not name.startswith("sms.")}
        return Subscriber(profile_id, email, phone, channels, tokens)

    def _profile_id(self, value: Any, pointer: str) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str):
            self.problems.add("'id' must be a text.", pointer)
            return None
        account = self._call.account
        if account.switches.refuse_unknown_subscriber_id and account.profiles.by_id(value) is None:
            self.problems.add(f"A profile with id {value} does not exist.", pointer)
        return value

    def _phone(self, given: Mapping[str, Any], at: str) -> str | None:
        """The phone; an unusable one beside an e-mail is dropped, which the answer's header tells."""
        phone = given.get("phone_number")
        if phone is None or phone == "":
            return None
        if isinstance(phone, str) and region_of(phone):
            return phone
        if not given.get("email"):
            self.problems.add(UNUSABLE_PHONE, f"{at}/phone_number")
        self.dropped_phone = True
        return None

    def _identified(
        self,
        profile_id: str | None,
        email: str | None,
        phone: str | None,
        given: Mapping[str, Any],
        channels: Mapping[str, float | None],
        at: str,
    ) -> None:
        """Every channel needs its own identifier."""
        wants = {name.partition(".")[0] for name in channels}
        if "email" in wants and not given.get("email"):
            self.problems.add(EMAIL_MISSING, f"{at}/attributes/email")
        if "sms" in wants and phone is None:
            dropped = bool(given.get("phone_number")) and bool(email)
            if not dropped or self._call.account.switches.refuse_dropped_phone_with_sms:
                self.problems.add(PHONE_MISSING, f"{at}/attributes/phone_number")
        if not (profile_id or given.get("email") or given.get("phone_number")):
            self.problems.add("One of 'email' and 'phone_number' is required.", f"{at}/attributes")

    def _consented_at(self, name: str, consent: Mapping[str, Any], at: str) -> float | None:
        """The consent date, which only a historical import may and must have."""
        value = consent.get("consented_at")
        pointer = f"{at}/consented_at"
        if name in UNDATED:
            if name.endswith("click_tracking") and self._call.revision < CLICK_TRACKING_SINCE:
                self.problems.add("'click_tracking' is not a valid field.", at)
            if value is not None:
                self.problems.add("'consented_at' is not a valid field here.", pointer)
            return None
        if not self._historical:
            if value is not None:
                reason = " for a double opt-in list" if self._double else ""
                self.problems.add(f"'consented_at' needs 'historical_import' to be true{reason}.", pointer)
            return None
        moment = _moment(value)
        if moment is None or moment > self._call.now:
            channel = name.partition(".")[0]
            self.problems.add(
                f"historical {channel} subscription does not have a valid consented_at timestamp", pointer
            )
        return moment

    def _sms(self, phone: str, born: Any, at: str) -> None:
        """SMS needs a supported country, a sender in it, and age where the account asks for it."""
        account = self._call.account
        region = region_of(phone)
        pointer = f"{at}/attributes/phone_number"
        if region not in account.switches.sms_countries:
            self.problems.add("The phone number is in a region that is not supported for SMS.", pointer)
        elif region not in account.settings.sms_regions:
            self.problems.add("The account has no sending number for the region of this phone number.", pointer)
        least = account.settings.age_gate
        if least is not None and not _old_enough(born, least, self._call.now):
            self.problems.add(
                "Age-gated SMS consent needs a date of birth of sufficient age.",
                f"{at}/attributes/age_gated_date_of_birth",
            )


Unsubscriber = tuple[str | None, str | None, list[str], list[str]]


def unsubscribe_row(index: int, row: Mapping[str, Any], problems: Problems) -> Unsubscriber | None:
    """E-mail, phone, channels and push tokens of an unsubscribe row; None when something is wrong with it."""
    at = f"{PROFILES}/{index}"
    given = _attributes(row, ("email", "phone_number", "subscriptions"), at, problems)
    if given is None:
        return None
    email = check_email(given.get("email"), f"{at}/attributes/email", problems)
    phone = given.get("phone_number") or None
    if phone is not None and not (isinstance(phone, str) and region_of(phone)):
        problems.add(UNUSABLE_PHONE, f"{at}/attributes/phone_number")
        phone = None
    found = _consents(given["subscriptions"], UNSUBSCRIBE_CHANNELS, "UNSUBSCRIBED", at, problems)
    channels = [name for name, _ in found]
    wants = {name.partition(".")[0] for name in channels}
    if "email" in wants and not given.get("email"):
        problems.add(EMAIL_MISSING, f"{at}/attributes/email")
    if "sms" in wants and not given.get("phone_number"):
        problems.add(PHONE_MISSING, f"{at}/attributes/phone_number")
    if not (given.get("email") or given.get("phone_number")):
        problems.add("One of 'email' and 'phone_number' is required.", f"{at}/attributes")
    push = given["subscriptions"].get("push")
    if push is not None and not push.get("tokens"):
        problems.add("'tokens' is required.", f"{at}/attributes/subscriptions/push/tokens")
    tokens = [t["token"] for t in (push or {}).get("tokens") or () if isinstance(t, dict) and "token" in t]
    return email, phone, channels, tokens


def _attributes(
    row: Mapping[str, Any], known: tuple[str, ...], at: str, problems: Problems
) -> Mapping[str, Any] | None:
    """The row's attributes, if `subscriptions` is among them and nothing unknown is."""
    given: Mapping[str, Any] = row["attributes"]
    unknown = [name for name in given if name not in known]
    for name in unknown:
        problems.add(f"'{name}' is not a valid field for the resource 'profile'.", f"{at}/attributes/{name}")
    if not isinstance(given.get("subscriptions"), dict) or not given["subscriptions"]:
        problems.add("'subscriptions' is required.", f"{at}/attributes/subscriptions")
        return None
    return None if unknown else given


def _consents(
    subscriptions: Mapping[str, Any],
    allowed: Mapping[str, tuple[str, ...]],
    status: str,
    at: str,
    problems: Problems,
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each channel ("email.marketing") with its consent object."""
    for channel, parts in subscriptions.items():
        pointer = f"{at}/attributes/subscriptions/{channel}"
        if channel not in allowed or not isinstance(parts, dict) or not parts:
            problems.add(f"'{channel}' is not a valid channel.", pointer)
            continue
        for part, consent in parts.items():
            if channel == "push" and part in PUSH_EXTRAS:
                continue
            if part not in allowed[channel] or not isinstance(consent, dict):
                problems.add(f"'{part}' is not a valid field.", f"{pointer}/{part}")
            elif consent.get("consent") != status:
                problems.add(f"'consent' must be '{status}'.", f"{pointer}/{part}/consent")
            else:
                yield f"{channel}.{part}", consent


def _moment(value: Any) -> float | None:
    """Seconds since 1970 of an ISO text; without a zone it is read as UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _old_enough(born: Any, least: int, now: float) -> bool:
    try:
        birth = date.fromisoformat(born)
    except (TypeError, ValueError):
        return False
    today = datetime.fromtimestamp(now, UTC).date()
    had_birthday = (today.month, today.day) >= (birth.month, birth.day)
    return today.year - birth.year - (not had_birthday) >= least
