"""By calls or by file: which way an audience list takes for a plan.

Calls tell what became of every row, files do not. So files are for loads that Klaviyo's limits make long.
"""

from __future__ import annotations

from audience_assets.destinations.base import Mapped, Route
from audience_assets.destinations.klaviyo.settings import AudienceListOptions, KlaviyoSettings
from audience_assets.destinations.klaviyo.sftp_settings import unconfirmed_headers

API, SFTP, AUTO = "api", "sftp", "auto"


def routes(
    by_calls: float, by_file: float, settings: KlaviyoSettings, options: AudienceListOptions, mapped: Mapped
) -> list[Route]:
    """Both ways with their seconds, one of them chosen."""
    known = "rows that Klaviyo refuses are told by e-mail only; its own work on the file comes on top"
    is_long = by_calls > 60 * options.sftp_from_minutes
    unconfirmed = unconfirmed_headers(settings, mapped)
    if options.route != AUTO:
        takes_files, why = options.route == SFTP, known
    elif not is_long:
        takes_files, why = False, f"taken from {options.sftp_from_minutes:g} minutes by calls on; {known}"
    elif unconfirmed:
        names = ", ".join(unconfirmed)
        takes_files = False
        why = f"not taken: how Klaviyo spells the columns of {names} is not confirmed; say so in sftp_headers"
    else:
        takes_files, why = by_file < by_calls, known
    return [
        Route(API, by_calls, not takes_files, "tells what became of every row"),
        Route(SFTP, by_file, takes_files, why),
    ]
