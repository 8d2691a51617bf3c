"""What an activation does in the end: its own settings over the destination's over the service's over ours.

Maps are merged key by key; lists and single values replace. A setting written as null is taken back: what was said
further down no longer counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from string import Formatter
from typing import Any

from pydantic import BaseModel

from audience_assets.destinations.base import DestinationType, ServiceSpec
from audience_assets.project.activations import (
    Activation,
    ActivationSettings,
    ConsentSettings,
    EffectiveActivation,
    Guard,
    Schedule,
    Treatment,
)
from audience_assets.project.activations import Mapping as FieldMapping
from audience_assets.project.project import Project
from audience_assets.project.yaml_text import KeyPath, dotted

BUILT_IN = "built-in default"
TEMPLATE_NAMES = ("segment_name", "segment_label", "activation", "destination")
CAMPAIGN_TEMPLATE_NAMES = (*TEMPLATE_NAMES, "campaign", "campaign_name", "sub_audience", "group_name")
DEFAULT_LIST_NAME = "{segment_label}"

BUILT_IN_SETTINGS: dict[str, Any] = {
    "list_name": DEFAULT_LIST_NAME,
    "mapping": FieldMapping().model_dump(),
    "consent": ConsentSettings().model_dump(),
    "options": {},
    "schedule": Schedule().model_dump(),
    "trigger": "on_change",
    "guard": Guard().model_dump(),
    "foreign": "keep",
    "owners": [],
    "tags": {},
    "fresh_within": "26h",
}


@dataclass
class Merged:
    """Merged settings, and for each dotted setting where it came from."""

    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def lay(self, settings: Mapping[str, Any], origin: Callable[[KeyPath], str]) -> None:
        """Put settings over what is there; `origin` says where a setting stands."""
        self._lay(self.data, settings, (), origin)

    def empty(self, *path: str) -> None:
        """What was said of a map so far no longer counts."""
        holder = self.data
        for key in path[:-1]:
            holder = holder[key]
        self._forget(path)
        holder[path[-1]] = {}

    def _lay(
        self, below: dict[str, Any], above: Mapping[str, Any], path: KeyPath, origin: Callable[[KeyPath], str]
    ) -> None:
        for key, value in above.items():
            here = (*path, key)
            if isinstance(value, dict) and isinstance(below.get(key), dict):
                self._lay(below[key], value, here, origin)
            else:
                self._forget(here)
                below[key] = deepcopy(value)
                self._note(value, here, origin)

    def _forget(self, path: KeyPath) -> None:
        name = dotted(path)
        for known in [each for each in self.origins if each == name or each.startswith(f"{name}.")]:
            del self.origins[known]

    def _note(self, value: Any, path: KeyPath, origin: Callable[[KeyPath], str]) -> None:
        if isinstance(value, dict):
            for key, each in value.items():
                self._note(each, (*path, key), origin)
        else:
            self.origins[dotted(path)] = origin(path)


def effective_activation(
    project: Project, activation: Activation, destinations: Mapping[str, DestinationType] | None = None
) -> EffectiveActivation:
    """Every setting of an activation of a checked project, and where each came from.

    `destinations` are the known vendors; the registry's by default. Raises ValueError or KeyError where the project was
    not checked.
    """
    destination = project.destinations[activation.destination]
    kind = (destinations or known_destinations())[destination.type]
    merged = merge(project, activation)
    service = merged.data.get("service") or usual_service(kind)
    if service is None:
        raise ValueError(f"the activation {activation.activation!r} names no service")
    merged.origins.setdefault("service", f"the {'usual' if len(kind.services) > 1 else 'only'} service of {kind.name}")
    _complete_options(merged, kind.services[service])
    settings = {**merged.data, "service": service}
    settings["list_name"] = render_list_name(settings["list_name"], project, activation)
    if isinstance(activation, Treatment):
        settings["fresh_within"] = None
        merged.origins["fresh_within"] = "a campaign ends"
    merged.origins["audience"] = source_of(project, activation, ("segment",))
    merged.origins["destination"] = source_of(project, activation, ("destination",))
    if activation.description is not None:
        merged.origins["description"] = source_of(project, activation, ("description",))
    return EffectiveActivation(
        name=activation.activation,
        audience=activation.segment,
        model=project.users_model(activation.segment),
        destination=activation.destination,
        destination_type=destination.type,
        description=activation.description,
        origins=dict(sorted(merged.origins.items())),
        **settings,
    )


def merge(project: Project, activation: Activation) -> Merged:
    """The settings of all layers but the service's option defaults, which need the options to be checked first."""
    merged = Merged()
    merged.lay(BUILT_IN_SETTINGS, lambda _: BUILT_IN)
    default = project.destinations[activation.destination].default_activation
    prefix = f"destinations.{activation.destination}.default_activation"
    merged.lay(
        authored(default),
        lambda path: f"{_source(project, prefix, path, 'destinations.yaml')} (default_activation)",
    )
    if isinstance(activation, Treatment) and activation.own_attributes:
        merged.empty("mapping", "fields")
    merged.lay(authored(activation), lambda path: source_of(project, activation, path))
    for name, value in BUILT_IN_SETTINGS.items():
        if merged.data[name] is None:
            merged.lay({name: value}, lambda _: BUILT_IN)
    return merged


def authored(settings: ActivationSettings) -> dict[str, Any]:
    """What was written, and nothing that is a default of the models."""
    return settings.model_dump(exclude_unset=True, include=set(ActivationSettings.model_fields))


def source_of(project: Project, activation: Activation, path: KeyPath) -> str:
    """`activations/x.yaml:3` for a setting that the activation's file holds."""
    name = activation.activation
    return _source(project, f"activations.{name}", path, f"activations/{name}.yaml")


def _source(project: Project, prefix: str, path: KeyPath, otherwise: str) -> str:
    while path:
        found = project.sources.get(f"{prefix}.{dotted(path)}")
        if found:
            return found
        path = path[:-1]
    return project.sources.get(prefix, otherwise)


def usual_service(kind: DestinationType) -> str | None:
    """What an activation means that names no service: the vendor's only one, or the one it says."""
    return next(iter(kind.services)) if len(kind.services) == 1 else kind.usual_service


def known_destinations() -> Mapping[str, DestinationType]:
    """The registry, imported late: vendors import their HTTP clients."""
    from audience_assets.destinations.registry import DESTINATIONS  # noqa: PLC0415

    return DESTINATIONS


def _complete_options(merged: Merged, spec: ServiceSpec) -> None:
    options: BaseModel = spec.options_model.model_validate(merged.data["options"])
    complete = options.model_dump(mode="json")
    for name in complete:
        if name not in merged.data["options"]:
            merged.origins[f"options.{name}"] = f"default of {spec.name}"
    merged.data["options"] = complete


def template_mistake(template: str, names: Sequence[str] = TEMPLATE_NAMES) -> str | None:
    """What is wrong with a template of a name: the unknown name in it, or why it can't be read."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        return f"{template!r} is not a template: {error}"
    for _, name, form, conversion in parts:
        if name is not None and (name not in names or form or conversion):
            return f"there is no {{{name}}} to fill in; there is {', '.join(names)}"
    return None


def template_names(activation: Activation) -> Sequence[str]:
    """What an activation's list name can be filled with."""
    return CAMPAIGN_TEMPLATE_NAMES if isinstance(activation, Treatment) else TEMPLATE_NAMES


def render_list_name(template: str, project: Project, activation: Activation) -> str:
    """The list's name at the vendor."""
    audience = project.audience(activation.segment)
    values = {
        "segment_name": audience.name,
        "segment_label": audience.label,
        "activation": activation.activation,
        "destination": activation.destination,
    }
    if audience.campaign is not None:
        values |= {
            "campaign": audience.campaign,
            "campaign_name": project.campaigns[audience.campaign].title,
            "sub_audience": audience.sub_audience or "",
            "group_name": audience.group or "",
        }
    return template.format_map(values).strip()
