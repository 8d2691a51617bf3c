"""Choices where Emarsys' behaviour is not documented, and the sizes a test may want to change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(slots=True)
class EmarsysSwitches:
    """Defaults are the documented or most probable behaviour."""

    # Whether an address is found that is written with other capitals.
    emails_fold_case: bool = True
    # How values come back in errors and ids.
    values_told: Literal["sent", "lower", "quoted"] = "sent"
    # Adding or removing unknown people: said of each row, or the call is refused (400, 2008) if it names nobody
    # else ("all"), or any ("any").
    refuse_unknown: Literal["", "all", "any"] = ""
    # A list that does not exist, where members are added or removed: 400 with 3004, or 404 with 3006.
    unknown_list_is_404: bool = False
    # Whether names of lists that differ in capitals or outer blanks are one.
    names_fold_case: bool = True
    # checkids with get_multiple_ids: every id of a shared address, or the error that several contacts have it.
    multiple_ids: bool = True
    # Whether v3 has contactIds at all, and whether its pages have an envelope.
    contact_ids_on_v3: bool = True
    bare_pages: bool = False
    # Whether who is in the list already counts as inserted.
    count_repeated: bool = False
    # Numbers as text: how many were deleted, the id of a new list.
    numbers_as_text: bool = False

    # Refusals: HTTP 200 whatever the code, no body with 403, plain text with 429, JSON called HTML.
    always_200: bool = False
    bare_forbidden: bool = False
    plain_throttle: bool = False
    json_called_html: bool = False

    token_seconds: int = 3600
    max_body_bytes: int = 10_000_000
    list_change_cap: int = 10_000
    requests_per_minute: int = 1000
