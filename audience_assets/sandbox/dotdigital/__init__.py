"""A local twin of Dotdigital's lists (v2), contacts and imports (v3)."""

from audience_assets.sandbox.dotdigital.account import AccountSettings, ConsentChange, DotdigitalAccount
from audience_assets.sandbox.dotdigital.switches import DotdigitalSwitches
from audience_assets.sandbox.dotdigital.vendor import DotdigitalSandbox

__all__ = ["AccountSettings", "ConsentChange", "DotdigitalAccount", "DotdigitalSandbox", "DotdigitalSwitches"]
