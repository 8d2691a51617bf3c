"""The vendors of the demo. A new one is a module here, its line below, and its lists in `project/`."""

from __future__ import annotations

from audience_assets.demo.vendors.base import Account
from audience_assets.demo.vendors.dotdigital import DotdigitalShop
from audience_assets.demo.vendors.emarsys import EmarsysShop
from audience_assets.demo.vendors.iterable import IterableShop
from audience_assets.demo.vendors.klaviyo import KlaviyoShop

__all__ = ["Account", "shop_accounts"]


def shop_accounts() -> list[Account]:
    """The shop's account at every vendor, empty, with the vendors' real rate limits."""
    return [KlaviyoShop(), IterableShop(), EmarsysShop(), DotdigitalShop()]
