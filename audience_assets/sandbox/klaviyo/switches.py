"""Choices where Klaviyo's behaviour is not documented, and the sizes and delays a test may want to change."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class KlaviyoSwitches:
    """Defaults are the documented or most probable behaviour. Delays are seconds on the sandbox's clock."""

    # Subscribe and unsubscribe answer 202 and take effect this much later.
    consent_delay: float = 0.05
    # Import and suppression jobs: how long they stay "queued", then "processing". They take effect at the end.
    job_queued: float = 0.05
    job_processing: float = 0.05
    # Up to this much is added to every delay (seeded), so that jobs land out of order.
    delay_jitter: float = 0.0

    # Whether `any(email, ...)` finds an address written with other capitals.
    emails_fold_case: bool = True
    # Longest `any(field, [...])`; None: no limit beyond the address's length.
    any_limit: int | None = None
    max_url_bytes: int = 8192
    # A query parameter the operation does not know: refuse with 400, or ignore.
    refuse_unknown_parameters: bool = True

    # Adding or removing an unknown profile id: refuse the whole call with this status, or 0 to skip the id.
    unknown_member_status: int = 404
    # A subscribe row with an unknown profile id: refuse the call, or fall back to its e-mail or phone.
    refuse_unknown_subscriber_id: bool = True

    # An unknown person who must confirm first: is the profile made at once?
    pending_creates_profile: bool = False
    # Does a subscribed person who is new to a double opt-in list have to confirm?
    subscribed_must_confirm: bool = True
    # An unusable phone beside a good e-mail and an sms block: refuse ("'phone_number' must not be empty"), or
    # drop the phone, carry on with the e-mail and say so in X-Klaviyo-Partial-Failure.
    refuse_dropped_phone_with_sms: bool = True
    # Two identifiers of one imported row that belong to two profiles: an import error, or the first one wins.
    import_conflict_fails: bool = True
    # Null in an imported row: changes nothing (guide), or clears the field (reported by others).
    import_null_clears: bool = False
    # Whether an import error repeats the row as it was sent, and whether it points at the row.
    import_errors_hold_rows: bool = True
    import_errors_point: bool = False
    # An import was seen to complete and to leave its list empty; then False.
    imports_reach_lists: bool = True
    # A file that came by SFTP is carried out this much later.
    sftp_ingest_delay: float = 0.05
    # Whether a file can be renamed there, whether one that is not called .csv is taken for an import, whether one is
    # whose connection ended before it was closed, whether one that was carried out is cleared away, and whether an
    # empty cell clears what the profile has.
    sftp_renames: bool = True
    sftp_takes_any_name: bool = False
    sftp_takes_halves: bool = False
    sftp_clears_away: bool = False
    sftp_empty_clears: bool = False
    # Countries Klaviyo can send SMS to at all; an account has senders in some of them.
    sms_countries: frozenset[str] = frozenset(
        {"US", "CA", "GB", "AU", "NZ", "IE", "FR", "DE", "ES", "AT", "CH", "NL", "BE", "SE", "NO", "DK", "FI"}
    )
    # Countries of branded sender ids, which can't receive a confirmation: sms there is always single opt-in.
    sms_single_opt_in: frozenset[str] = frozenset({"GB", "AU"})
