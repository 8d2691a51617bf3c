"""The calls we make, their rate limits and the scopes they need.

From the `x-klaviyo-ratelimit` and security sections of Klaviyo's API description, revision 2026-07-15:
https://github.com/klaviyo/openapi
"""

from __future__ import annotations

from dataclasses import dataclass

from audience_assets.destinations.base import Endpoint, RateWindow

_MEDIUM = (RateWindow(10, 1), RateWindow(150, 60))
_LARGE = (RateWindow(75, 1), RateWindow(750, 60))

GET_ACCOUNTS = Endpoint("get_accounts", (RateWindow(1, 1), RateWindow(15, 60)))
GET_LISTS = Endpoint("get_lists", _LARGE)
GET_LIST = Endpoint("get_list", _LARGE)
CREATE_LIST = Endpoint("create_list", (*_MEDIUM, RateWindow(150, 86_400)))
GET_PROFILES = Endpoint("get_profiles", _LARGE)
GET_LIST_PROFILES = Endpoint("get_list_profiles", _LARGE)
SUBSCRIBE = Endpoint("subscribe_profiles", _LARGE)
UNSUBSCRIBE = Endpoint("unsubscribe_profiles", _LARGE)
IMPORT_PROFILES = Endpoint("import_profiles", _MEDIUM)
# Whether these reads have a limit each is not documented: they are counted together.
GET_IMPORT_JOBS = Endpoint("get_import_jobs", _MEDIUM, bucket="read_import_jobs")
GET_IMPORT_JOB = Endpoint("get_import_job", _MEDIUM, bucket="read_import_jobs")
GET_IMPORT_ERRORS = Endpoint("get_import_errors", _MEDIUM, bucket="read_import_jobs")
GET_IMPORT_LISTS = Endpoint("get_import_lists", _MEDIUM, bucket="read_import_jobs")
REMOVE_MEMBERS = Endpoint("remove_members", _MEDIUM)
WRITE_PROFILE = Endpoint("write_profile", _LARGE)

SCOPES = {
    GET_ACCOUNTS.name: ("accounts:read",),
    GET_LISTS.name: ("lists:read",),
    GET_LIST.name: ("lists:read",),
    CREATE_LIST.name: ("lists:write",),
    GET_PROFILES.name: ("profiles:read",),
    GET_LIST_PROFILES.name: ("lists:read", "profiles:read"),
    SUBSCRIBE.name: ("lists:write", "profiles:write", "subscriptions:write"),
    UNSUBSCRIBE.name: ("lists:write", "profiles:write", "subscriptions:write"),
    IMPORT_PROFILES.name: ("lists:write", "profiles:write"),
    GET_IMPORT_JOBS.name: ("lists:read", "profiles:read"),
    GET_IMPORT_JOB.name: ("lists:read", "profiles:read"),
    GET_IMPORT_ERRORS.name: ("profiles:read",),
    GET_IMPORT_LISTS.name: ("lists:read",),
    REMOVE_MEMBERS.name: ("lists:write", "profiles:write"),
    WRITE_PROFILE.name: ("profiles:write",),
}


@dataclass(frozen=True, slots=True)
class Caps:
    """Most rows of one call, and bytes where Klaviyo counts them."""

    lookup: int = 100  # a full page; the length of any([...]) itself is not documented
    members_page: int = 100
    lists_page: int = 10
    subscribe: int = 1000
    unsubscribe: int = 100
    imports: int = 10_000
    import_bytes: int = 5_000_000
    profile_bytes: int = 100_000
    jobs_page: int = 100
    errors_page: int = 100
    remove: int = 1000


CAPS = Caps()
# No limit is documented. Common servers cut off at 8 KB; the rest of the line needs some room.
LONGEST_FILTER = 6_500
