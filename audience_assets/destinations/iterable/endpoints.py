"""The calls we make and their rate limits, from the operations' descriptions in Iterable's API document (version 1.8).

https://api.iterable.com/api/docs
"""

from __future__ import annotations

from audience_assets.destinations.base import Endpoint, RateWindow
from audience_assets.destinations.iterable.settings import IterableSettings

GET_LISTS = Endpoint("get_lists", (RateWindow(100, 1),))
# No limit is published for it; one a second harms nobody.
CREATE_LIST = Endpoint("create_list", (RateWindow(1, 1),))
GET_MEMBERS = Endpoint("get_list_users", (RateWindow(5, 60),))
GET_SIZE = Endpoint("get_list_size", (RateWindow(5, 60),))
GET_USER = Endpoint("get_user", (RateWindow(100, 1),))
GET_FIELDS = Endpoint("get_fields", (RateWindow(3, 1),))

SUBSCRIBE, UNSUBSCRIBE, BULK_UPDATE = "subscribe", "unsubscribe", "bulk_update"

# Most people in one call. Iterable publishes no number; other integrations send so many.
MOST_ROWS = 1000


def subscribe_at(settings: IterableSettings) -> Endpoint:
    return Endpoint(SUBSCRIBE, (RateWindow(settings.list_calls_per_second, 1),))


def unsubscribe_at(settings: IterableSettings) -> Endpoint:
    return Endpoint(UNSUBSCRIBE, (RateWindow(settings.list_calls_per_second, 1),))


def bulk_update_at(settings: IterableSettings) -> Endpoint:
    return Endpoint(BULK_UPDATE, (RateWindow(settings.bulk_calls_per_second, 1),))
