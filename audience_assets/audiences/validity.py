"""Whether an address looks usable, as far as plain SQL can tell; the sync decides with real parsers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from audience_assets.warehouse.functions import TextPosition

Expression = sa.ColumnElement[Any]


def looks_like_email(address: Expression) -> sa.ColumnElement[bool]:
    """One @ with something before it, and a dot within what follows; no blanks."""
    text = sa.func.trim(address)
    at = TextPosition(text, sa.literal("@"))
    domain = sa.func.substr(text, at + 1)
    return sa.and_(
        at > 1,
        TextPosition(domain, sa.literal("@")) == 0,
        TextPosition(domain, sa.literal(".")) > 1,
        sa.func.substr(domain, sa.func.length(domain)) != ".",
        TextPosition(text, sa.literal(" ")) == 0,
    )


def looks_like_e164(number: Expression) -> sa.ColumnElement[bool]:
    """A plus sign and 7 to 15 digits, the first not zero."""
    text = sa.func.trim(number)
    rest: Expression = text
    for digit in "0123456789":
        rest = sa.func.replace(rest, digit, "")
    return sa.and_(rest == "+", sa.func.length(text).between(8, 16), sa.func.substr(text, 1, 2).not_in(["+0"]))


LOOKS_VALID = {"email": looks_like_email, "e164": looks_like_e164}
