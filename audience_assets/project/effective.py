"""What an activation does in the end: its own settings over the destination's over the service's over ours.

Maps are merged key by key; lists and single values replace. A setting written as null is taken back: what was said
further down no longer counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Formatter

from pydantic import BaseModel

from audience_assets.destinations.base import DestinationType, ServiceSpec
from audience_assets.project.activations import Activation, EffectiveActivation, Treatment
from audience_assets.project.default_source import fit_to_service
from audience_assets.project.merged import BUILT_IN, BUILT_IN_SETTINGS, Merged, authored, source_in, usual_service
from audience_assets.project.project import Project
from audience_assets.project.yaml_text import KeyPath

TEMPLATE_NAMES = ("segment_name", "segment_label", "activation", "destination")
CAMPAIGN_TEMPLATE_NAMES = (*TEMPLATE_NAMES, "campaign", "campaign_name", "sub_audience", "group_name")


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
    fit_to_service(project, activation, kind, kind.services[service], merged)
    _complete_options(merged, kind.services[service])
    settings = {**merged.data, "service": service}
    settings["list_name"] = render_list_name(settings["list_name"], project, activation)
    if isinstance(activation, Treatment):
        settings |= {"fresh_within": None, "constants": activation.constants}
        merged.origins["fresh_within"] = "a campaign ends"
        merged.origins |= {
            f"constants.{name}": source_of(project, activation, ("constants", name)) for name in activation.constants
        }
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
        lambda path: f"{source_in(project, prefix, path, 'destinations.yaml')} (default_activation)",
    )
    if isinstance(activation, Treatment) and activation.own_attributes:
        merged.empty("mapping", "fields")
    merged.lay(authored(activation), lambda path: source_of(project, activation, path))
    for name, value in BUILT_IN_SETTINGS.items():
        if merged.data[name] is None:
            merged.lay({name: value}, lambda _: BUILT_IN)
    return merged


def source_of(project: Project, activation: Activation, path: KeyPath) -> str:
    """`activations/x.yaml:3` for a setting that the activation's file holds."""
    name = activation.activation
    return source_in(project, f"activations.{name}", path, f"activations/{name}.yaml")


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
