"""Phone numbers as Klaviyo reads them."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers

E164 = re.compile(r"\+[1-9]\d{1,14}")


@lru_cache(maxsize=100_000)
def region_of(phone: str) -> str | None:
    """The country of an E.164 number ("US"), or None when the number is unusable."""
    if not E164.fullmatch(phone):
        return None
    try:
        number = phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    region = phonenumbers.region_code_for_number(number)
    if region is None and number.country_code is not None:
        region = phonenumbers.region_code_for_country_code(number.country_code)
    return None if region in (None, "ZZ") else str(region)
