"""Do destinations make sense: a known vendor, its settings, secrets from the environment, usable defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from audience_assets.destinations.base import DestinationType
from audience_assets.project.activations import Destination
from audience_assets.project.check_settings import check_settings
from audience_assets.project.environment import env_name
from audience_assets.project.merged import usual_service
from audience_assets.project.model_paths import keys_of
from audience_assets.project.names import check_slug
from audience_assets.project.places import Place, nearest
from audience_assets.project.validation import mistakes, salvage, stands_for, validate
from audience_assets.project.yaml_text import KeyPath

OWN_KEYS = ("type", "description", "default_attributes", "default_activation")
PLACEHOLDER = "from the environment"

# Where an option stands: in the activation, or in the destination's defaults.
OptionPlace = Callable[[KeyPath], Place]


def read_destination(name: str, data: Any, place: Place, types: Mapping[str, DestinationType]) -> Destination | None:
    """One destination, its vendor settings written beside our own keys. None after reporting its mistakes."""
    check_slug(name, "destination", place)
    if not isinstance(data, dict):
        place.report("expected a map with `type` and the vendor's settings")
        return None
    settings = {key: value for key, value in data.items() if key not in OWN_KEYS}
    own = {key: value for key, value in data.items() if key in OWN_KEYS}
    written = {**own, "settings": settings}
    destination = validate(Destination, written, place)
    kind = types.get(str(data.get("type")))
    if kind is not None:
        before = len(place.problems)
        _check_vendor_settings(settings, kind, place)
        sound = len(place.problems) == before
    elif data.get("type") is not None:
        place.at("type").unknown("destination type", str(data["type"]), types)
        sound = False
    else:
        sound = False
    if kind is not None:
        _check_default_settings(destination, written, kind, place)
    return destination if sound else None


def _check_default_settings(
    destination: Destination | None, written: dict[str, Any], kind: DestinationType, place: Place
) -> None:
    """Also of a destination whose form has mistakes, as far as the rest can be judged."""
    remains = (destination, place) if destination is not None else salvage(Destination, written, place, alone=True)
    if remains is not None:
        check_defaults(remains[0], kind, remains[1].at("default_activation"))


def _check_vendor_settings(settings: dict[str, Any], kind: DestinationType, place: Place) -> None:
    model = kind.settings_model
    valid = keys_of(model)
    for key in settings:
        if key not in valid:
            hint = f"write {kind.title}'s settings beside `type`" if key == "settings" else None
            place.at(key).report(f"unknown key {key!r}", hint or nearest(key, [*OWN_KEYS, *valid]))
    told: list[KeyPath] = []
    for key in kind.secret_fields:
        if settings.get(key) is not None and env_name(settings[key]) is None:
            variable = f"{kind.name}_{key}".upper()
            told.append((key,))
            literal = not isinstance(settings[key], dict | list)
            place.at(key).report(
                "a secret does not belong in a file" if literal else "expected the name of an environment variable",
                f"write {key}: {{env: {variable}}} and set that variable",
            )
    from_environment: list[KeyPath] = []
    data = {key: _filled(value, (key,), from_environment) for key, value in settings.items() if key in valid}
    try:
        model.model_validate(data)
    except ValidationError as error:
        nested = settings.get("settings")
        unknown = {*(settings.keys() - set(valid)), *(nested if isinstance(nested, dict) else ())}
        for mistake in mistakes(model, error):
            path = mistake.path
            # Only the real value can show whether a setting from the environment is right. What is wrong with the
            # settings together follows from an unknown key.
            if path in (*told, *from_environment) or (not path and (from_environment or unknown)):
                continue
            if mistake.detail["type"] == "missing" and stands_for(str(path[-1]), unknown, model):
                continue
            place.at(*path).report(*mistake.explained(private=path[:1] in {(key,) for key in kind.secret_fields}))


def known_settings(destination: Destination, kind: DestinationType) -> BaseModel | None:
    """A checked destination's settings. What the environment tells is not known yet: secrets are filled, others unset.

    None if one without a default comes from there.
    """
    data = {
        key: PLACEHOLDER if key in kind.secret_fields else value
        for key, value in destination.settings.items()
        if key in kind.secret_fields or env_name(value) is None
    }
    try:
        return kind.settings_model.model_validate(data)
    except ValidationError:
        return None


def _filled(value: Any, path: KeyPath, from_environment: list[KeyPath]) -> Any:
    if env_name(value) is not None:
        from_environment.append(path)
        return PLACEHOLDER
    if isinstance(value, dict):
        return {key: _filled(each, (*path, key), from_environment) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, (*path, index), from_environment) for index, each in enumerate(value)]
    return value


def check_defaults(destination: Destination, kind: DestinationType, place: Place) -> None:
    """`default_activation`, as far as it can be judged without an activation."""
    default = destination.default_activation
    check_settings(default, place)
    if default.service is not None and default.service not in kind.services:
        place.at("service").unknown("service", default.service, kind.services)
        return
    service = default.service or usual_service(kind)
    if service is not None:
        check_options(kind, service, default.options or {}, lambda path: place.at("options", *path), complete=False)
        return
    # Which service they are for is decided by each activation.
    known = [key for spec in kind.services.values() for key in keys_of(spec.options_model)]
    for key in (default.options or {}).keys() - set(known):
        place.at("options", key).report(f"unknown option {key!r} of {kind.title}", nearest(key, known))


def check_options(
    kind: DestinationType, service: str, options: dict[str, Any], at: OptionPlace, *, complete: bool
) -> bool:
    """Whether a service takes these options; what it does not is reported. Required ones only if `complete`."""
    model = kind.services[service].options_model
    known = {key: value for key, value in options.items() if key in keys_of(model)}
    for key in options.keys() - known.keys():
        at((key,)).report(f"unknown option {key!r} of {service}", nearest(key, keys_of(model)))
    try:
        model.model_validate(known)
    except ValidationError as error:
        for mistake in mistakes(model, error):
            if complete or mistake.detail["type"] != "missing":
                at(mistake.path).report(*mistake.explained())
        return False
    return known == options
