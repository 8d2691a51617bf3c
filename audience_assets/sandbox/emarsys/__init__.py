"""A local twin of Emarsys' contact lists and contact look-ups, API v3 and v2."""

from audience_assets.sandbox.emarsys.account import ContactList, EmarsysAccount
from audience_assets.sandbox.emarsys.auth import ALL_PERMISSIONS
from audience_assets.sandbox.emarsys.switches import EmarsysSwitches
from audience_assets.sandbox.emarsys.vendor import EmarsysSandbox

__all__ = ["ALL_PERMISSIONS", "ContactList", "EmarsysAccount", "EmarsysSandbox", "EmarsysSwitches"]
