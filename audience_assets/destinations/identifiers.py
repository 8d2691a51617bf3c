"""Identifiers as vendors match them: e-mail addresses in lower case, phone numbers in E.164."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

# The plain ASCII addresses that nearly all are. It accepts nothing the library refuses (tested), and is ~50x faster.
_PLAIN_EMAIL = re.compile(
    r"[a-z0-9_%+'-]+(?:\.[a-z0-9_%+'-]+)*"
    r"@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+([a-z]{2,24})"
)
_LONGEST_EMAIL = 254
_LONGEST_LOCAL_PART = 64
# What people write for a country whose ISO 3166 code is another.
ISO_CODES = {"UK": "GB", "EL": "GR"}
_SPECIAL_ENDINGS = frozenset(name.rpartition(".")[2] for name in SPECIAL_USE_DOMAIN_NAMES)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an identifier can't be used. Both texts are free of personal data."""

    reason: str
    detail: str


NO_EMAIL = Refused("no_email", "there is no e-mail address")
NO_PHONE = Refused("no_phone", "there is no phone number")


def normal_email(raw: Any) -> str | Refused:
    """The address in lower case, or why it is none. No DNS is asked.

    >>> normal_email(" Ann@Example.com ")
    'ann@example.com'
    """
    if raw is None:
        return NO_EMAIL
    text = str(raw).strip().lower()
    if not text:
        return NO_EMAIL
    plain = _PLAIN_EMAIL.fullmatch(text)
    if (
        plain is not None
        and plain[1] not in _SPECIAL_ENDINGS
        and len(text) <= _LONGEST_EMAIL
        and text.index("@") <= _LONGEST_LOCAL_PART
        and "--" not in text
    ):
        return text
    try:
        return validate_email(text, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        return Refused("invalid_email", _email_fault(text))


def _email_fault(text: str) -> str:
    """What is wrong, without the library's text, which repeats parts of the address."""
    if "@" not in text:
        return "there is no @"
    local, _, domain = text.rpartition("@")
    if not local or not domain:
        return "one side of the @ is empty"
    if len(text) > _LONGEST_EMAIL:
        return "it is too long"
    if "." not in domain:
        return "the domain has no dot"
    return "it is no valid address"


def normal_phone(raw: Any, region: str | None = None) -> str | Refused:
    """The number in E.164, or why it is none. `region` is the ISO country of numbers written without a country code.

    >>> normal_phone("(202) 456-1111", "US")
    '+12024561111'
    """
    text = "" if raw is None else str(raw).strip()
    if not text:
        return NO_PHONE
    country = region.strip().upper() if region else None
    country = ISO_CODES.get(country, country) if country else None
    if country is not None and country not in phonenumbers.SUPPORTED_REGIONS:
        country = None
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException as error:
        if error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE:
            return Refused("invalid_phone", "it has no known country code and its country is not known")
        return Refused("invalid_phone", "it is no phone number")
    if not phonenumbers.is_valid_number(number):
        return Refused("invalid_phone", "no number of its country looks like this")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def same_number(one: tuple[Any, str | None], other: tuple[Any, str | None], default_region: str | None) -> bool:
    """Whether two spellings are one number. Each comes with its country; `default_region` is that of those without."""
    number, its_region = one
    found = normal_phone(number, its_region or default_region)
    another, another_region = other
    return isinstance(found, str) and found == normal_phone(another, another_region or default_region)
