"""A local twin of Klaviyo's lists, profiles, consent, import and suppression APIs."""

from audience_assets.sandbox.klaviyo.account import AccountSettings, KlaviyoAccount
from audience_assets.sandbox.klaviyo.consents import ConsentChange, ConsentState
from audience_assets.sandbox.klaviyo.switches import KlaviyoSwitches
from audience_assets.sandbox.klaviyo.vendor import KlaviyoSandbox

__all__ = [
    "AccountSettings",
    "ConsentChange",
    "ConsentState",
    "KlaviyoAccount",
    "KlaviyoSandbox",
    "KlaviyoSwitches",
]
