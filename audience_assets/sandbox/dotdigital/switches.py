"""Choices where Dotdigital's behaviour is not documented, and the sizes and delays a test may want to change."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class DotdigitalSwitches:
    """Defaults are the documented or most probable behaviour. Delays are seconds on the sandbox's clock."""

    # A job answers "not finished" to so many polls, and takes at least so long; what it does is done at its end. A job
    # that nobody asks after ends by itself `unasked_seconds` later.
    unfinished_polls: int = 1
    job_seconds: float = 0.0
    unasked_seconds: float = 60.0
    # Removal jobs answer with the keys Id and Status, as one of the vendor's samples does.
    removal_keys_in_pascal: bool = False

    # Adding somebody who unsubscribed from the list: does it bring them back, or is the membership left suppressed?
    add_lifts_list_opt_out: bool = False
    # Taking somebody off a list who unsubscribed from it: is the record of that gone, too?
    removal_forgets_opt_out: bool = True
    # Does the `~listId` filter show members whose status in the list is suppressed?
    list_filter_shows_suppressed: bool = True
    # Does an import that changes nothing of a contact count as a modification, and is it named as updated?
    import_touches_unchanged: bool = True
    import_reports_unchanged: bool = True
    # A contact id in a removal that nobody has: refuse the call, or pass it over.
    refuse_unknown_removals: bool = False
    # Is a mobile number with its plus taken?
    take_plus_in_numbers: bool = False
    # Failure codes as in the help's table (GloballySuppressed) or as in the description's sample (globallySuppressed).
    failure_codes_in_pascal: bool = False

    # Are names unique whatever their capitals?
    names_fold_case: bool = True
    # The status of a list's creation: 201 as the server's own description says, 200 as the published one.
    created_status: int = 201
    # X-RateLimit-Reset: the second since 1970 (the guide), or the seconds until then (the vendor's own client).
    reset_is_a_moment: bool = True

    active_imports: int = 25
    max_import_bytes: int = 50 * 1024 * 1024
