"""The calls we make, the permission each needs, and their greatest sizes.

https://dev.emarsys.com/docs/core-api-reference: "Contact lists", "Contacts", "Endpoint permission settings"
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from audience_assets.destinations.base import Endpoint, RateWindow

# 1,000 requests a minute for each credential, whatever they ask for ("Miscellaneous": rate limiting).
BUCKET = "requests"
_USUAL = (RateWindow(1000, 60),)


def _endpoint(name: str) -> Endpoint:
    return Endpoint(name, _USUAL, bucket=BUCKET)


# Tokens come from another host, whose limit is not documented.
TOKEN = Endpoint("token", ())
LISTS = _endpoint("list_contact_lists")
CREATE_LIST = _endpoint("create_contact_list")
ADD = _endpoint("add_contacts_to_list")
REMOVE = _endpoint("remove_contacts_from_list")
MEMBER_IDS = _endpoint("list_contact_ids")
CHECK_IDS = _endpoint("check_contact_ids")
GET_DATA = _endpoint("get_contact_data")
QUERY = _endpoint("query_contacts")

PERMISSIONS = {
    LISTS.name: "contactlist.list",
    CREATE_LIST.name: "contactlist.create",
    ADD.name: "contactlist.contact.add",
    REMOVE.name: "contactlist.contact.delete",
    MEMBER_IDS.name: "contactlist.contact.ids",
    CHECK_IDS.name: "contact.contactid.verify",
    GET_DATA.name: "contact.getdata",
    QUERY.name: "contact.list",
}


@dataclass(frozen=True, slots=True)
class Caps:
    """Most rows of one call. Bodies may have 10 MB, which 10,000 addresses do not reach."""

    list_change: int = 10_000
    check_ids: int = 1_000
    get_data: int = 1_000
    member_ids_page: int = 10_000
    query_page: int = 10_000


CAPS = Caps()
# The field "E-mail". https://dev.emarsys.com/docs/core-api-reference: "System fields"
EMAIL_FIELD = "3"
# The internal id as a key, which is never shared.
ID_KEY = "id"


class Code(IntEnum):
    """Reply codes. The same one comes with different HTTP statuses ("HTTP 200/400/401-429/500 errors")."""

    OK = 0
    GENERIC = 1
    PARAMETERS = 1001
    INTERNAL = 1003
    METHOD = 1009
    NOT_JSON = 1010
    NOT_INTEGERS = 1016
    TOO_MANY_CONTACTS = 2002
    NOT_AN_ARRAY = 2003
    BAD_KEY_FIELD = 2004
    BAD_VALUE = 2005
    NO_SUCH_FIELD = 2006
    UNKNOWN_CONTACT = 2008
    SEVERAL_CONTACTS = 2010
    DATABASE = 2011
    NOT_INDEXED = 2015
    NAME_MISSING = 3001
    TOO_MANY_IDS = 3002
    IDS_NOT_AN_ARRAY = 3003
    INVALID_LIST = 3004
    NAME_TAKEN = 3005
    NO_SUCH_LIST = 3006
    BAD_PAGE = 10001
    THROTTLED = 7003
