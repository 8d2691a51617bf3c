"""Choices where Iterable's behaviour is not documented, and the sizes and delays a test may want to change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(slots=True)
class IterableSwitches:
    """Defaults are the documented or most probable behaviour. Delays are seconds on the sandbox's clock."""

    # Writes answer at once and take effect this much later.
    apply_delay: float = 3.0
    # A new list takes people only after this long; until then it is answered as unknown.
    new_list_delay: float = 0.0

    # Largest body, and most rows of one call (None: no limit).
    max_body: int = 4_194_304
    max_rows: int | None = None
    # Most subscribe and unsubscribe calls a second, each (None: no limit).
    list_calls_per_second: int | None = 5
    # Whether the three reads of five a minute are counted together.
    reads_share_limit: bool = False
    # Whether a 429 says when to come back, and whether it tells the limit's number.
    send_retry_after: bool = False
    tell_limit: bool = True

    # A value of the wrong type: the whole request is refused, or its row is listed in invalidData*.
    type_conflict: Literal["request", "row"] = "request"
    # Whether a whole number may be written to a double field.
    integers_fit_double: bool = True
    # Whether the project lets calls that do not say so create fields.
    creates_fields: bool = True
    # Most distinct fields, nested ones included.
    max_fields: int = 1000

    # How failed addresses are echoed, and whether the answer has its present shape or the one of 2017.
    echo: Literal["as_sent", "lower"] = "as_sent"
    answers: Literal["full", "old"] = "full"
    # Who clashes with another profile is named by the value that exists, or by the one that was sent.
    conflict_names: Literal["existing", "sent"] = "existing"
    # A look-up of an unknown user id: text with 400, a code with 500, or an empty 200.
    unknown_user_id: Literal["text", "code", "empty"] = "text"
    # Whether an unsubscribe in an email project makes a profile of an unknown address.
    unsubscribe_creates: bool = False

    # Whether Iterable has switched the /api/subscriptions endpoints on for the account.
    subscriptions_enabled: bool = False

    # Only so many lines of a list are answered, as when a stream is cut; None: all.
    cut_members_at: int | None = None
