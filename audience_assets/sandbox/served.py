"""A twin as the command line serves it: with one account. Each vendor's is `serve` in its folder's own `served.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module

from audience_assets.sandbox.vendor import SandboxVendor

ACCOUNT = "sandbox"
# A person by identifier ("email", "phone", ...), normalised.
Person = Mapping[str, str]


@dataclass(frozen=True)
class Served:
    """A twin with one account. `settings` are a destination's, but for the key, by the open twin's address."""

    vendor: SandboxVendor
    seed: Callable[[Iterable[Person]], int]
    settings: Callable[[str], Mapping[str, str]]


def serve(vendor: str, key: str, *, rate_limits: bool) -> Served:
    """The vendor's twin, which knows the key and, with `rate_limits`, keeps to the vendor's limits."""
    served: Served = import_module(f"{__package__}.{vendor}.served").serve(key, rate_limits)
    return served
