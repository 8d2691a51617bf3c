"""A vendor whose calls are let through by a limiter of the test's choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from audience_assets.destinations.base import Connection, DestinationType, Limiter, ListService, ServiceSpec

LimiterOf = Callable[[Connection], Limiter]


def limited_by(kind: DestinationType, limiter_of: LimiterOf) -> DestinationType:
    """All services of the vendor, connected with that limiter."""

    def limited(spec: ServiceSpec) -> ServiceSpec:
        def connect(connection: Connection) -> ListService:
            return spec.connect(replace(connection, limiter=limiter_of(connection)))

        return replace(spec, connect=connect)

    return replace(kind, services={name: limited(spec) for name, spec in kind.services.items()})
