"""A local twin of Iterable's lists, list membership and user profiles."""

from audience_assets.sandbox.iterable.project import IterableProject
from audience_assets.sandbox.iterable.switches import IterableSwitches
from audience_assets.sandbox.iterable.users import EMAIL, HYBRID, USER_ID
from audience_assets.sandbox.iterable.vendor import IterableSandbox

__all__ = ["EMAIL", "HYBRID", "USER_ID", "IterableProject", "IterableSandbox", "IterableSwitches"]
