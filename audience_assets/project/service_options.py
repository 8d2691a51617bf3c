"""What a service could be told, read from its options: every channel, every identifier."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from audience_assets.destinations.base import ServiceSpec

CHANNELS = "channels"


def every_channel(spec: ServiceSpec, options: BaseModel) -> list[str]:
    """Channels in use first, then the others that `channels` could name."""
    field = spec.options_model.model_fields.get(CHANNELS)
    possible = list(_literals(field.annotation)) if field else []
    return list(dict.fromkeys([*spec.channels(options), *possible]))


def every_identifier(spec: ServiceSpec, options: BaseModel) -> list[str]:
    """Identifiers in use first, then those of the other channels: a destination's defaults may map them all."""
    found = [*spec.identifiers(options)]
    for channel in every_channel(spec, options):
        alone = only_channel(spec, options, channel)
        found += spec.identifiers(alone) if alone is not None else []
    return list(dict.fromkeys([*found, *spec.optional_identifiers]))


def only_channel(spec: ServiceSpec, options: BaseModel, channel: str) -> BaseModel | None:
    """The options with one channel alone; None for a service without a choice of channels."""
    if CHANNELS not in spec.options_model.model_fields:
        return None
    try:
        return spec.options_model.model_validate({**options.model_dump(exclude_unset=True), CHANNELS: [channel]})
    except ValidationError:
        return None


def _literals(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from (str(value) for value in get_args(annotation))
    else:
        for argument in get_args(annotation):
            yield from _literals(argument)
