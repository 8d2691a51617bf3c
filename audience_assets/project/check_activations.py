"""Do activations make sense: service, options, mapping, and one list for each activation alone."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from audience_assets.destinations.base import DestinationType, Mapped, ServiceSpec
from audience_assets.project.activations import Activation, ActivationSettings, Treatment
from audience_assets.project.activations import Mapping as FieldMapping
from audience_assets.project.check_consent import check_consent
from audience_assets.project.check_destinations import check_options, known_settings
from audience_assets.project.check_fields import check_field
from audience_assets.project.check_settings import check_settings
from audience_assets.project.default_source import fit_to_service, path_to
from audience_assets.project.effective import merge, render_list_name, template_mistake, template_names
from audience_assets.project.fields import Fields
from audience_assets.project.merged import Merged, usual_service
from audience_assets.project.model_paths import keys_of
from audience_assets.project.places import Place
from audience_assets.project.project import Project
from audience_assets.project.service_options import every_identifier, only_channel
from audience_assets.project.validation import salvage
from audience_assets.project.yaml_text import KeyPath

# What tells a list from the others: of a segment, and of a campaign's treatment group.
_OWN_NAMES = ("{segment_label}", "{campaign_name}_{sub_audience}_{group_name}")

# Settings of which one can't be judged without the others.
_JUDGED_TOGETHER = frozenset({"mapping", "consent", "options", "list_name"})


@dataclass(frozen=True)
class ActivationPlaces:
    """Where an effective setting was said: by the activation, or else by the destination's defaults."""

    activation: Place
    destination: Place

    def at(self, *path: str | int) -> Place:
        """Of a setting that nobody has said, the place of the map that it would be in counts."""
        layers = [self.activation.at(*path), self.destination.at("default_activation", *path)]
        if path[:1] == ("mapping",):
            layers.append(self.destination.at("default_attributes", *path[1:]))
        for missing in range(len(path)):
            for layer in layers:
                if layer.up(missing).written:
                    return layer
        return layers[0]

    @property
    def says_attributes(self) -> bool:
        """Whether the activation itself maps attributes: a destination's defaults are for all its services."""
        return self.activation.at("mapping", "fields").written


@dataclass(frozen=True)
class ActivationCheck:
    """Everything an activation's effective settings are held against."""

    project: Project
    fields: Fields
    types: Mapping[str, DestinationType]

    def check(self, activation: Activation, places: ActivationPlaces, lost: Collection[str] = ()) -> None:
        """An activation whose segment and destination are there and sound.

        `lost` are settings of it that can't be read, which has been reported: what follows from them is not judged.
        """
        if "service" in lost:
            return
        kind = self.types[self.project.destinations[activation.destination].type]
        merged = merge(self.project, activation)
        service = merged.data.get("service") or usual_service(kind)
        if service is None:
            places.activation.report(
                f"{kind.title} has several services: say which in `service`", f"there is {', '.join(kind.services)}"
            )
            return
        if service not in kind.services:
            places.at("service").unknown("service", service, kind.services)
            return
        spec = kind.services[service]
        defaults = fit_to_service(self.project, activation, kind, spec, merged)
        readable = "options" not in lost and check_options(
            kind, service, merged.data["options"], lambda path: places.at("options", *path), complete=True
        )
        if readable and _JUDGED_TOGETHER.isdisjoint(lost):
            self._check_service(activation, spec, merged, places, defaults)
        elif "mapping" not in lost:
            self._check_mapping(activation, merged, places, defaults)

    def _check_service(
        self,
        activation: Activation,
        spec: ServiceSpec,
        merged: Merged,
        places: ActivationPlaces,
        defaults: Collection[KeyPath],
    ) -> None:
        """`defaults` are mapped by the destination's default source, and checked there."""
        options = spec.options_model.model_validate(merged.data["options"])
        mapping = FieldMapping.model_validate(merged.data["mapping"])
        model = self.project.users_model(activation.segment)
        if spec.carries_attributes:
            self._check_source(activation, model, places)
        if _names_are_known(spec, options, mapping, places):
            _check_required(spec, options, mapping, places)
        constants = activation.constants if isinstance(activation, Treatment) else {}
        if (mapping.fields or constants) and not spec.carries_attributes and places.says_attributes:
            places.at("mapping", "fields").report(f"{spec.name} carries no attributes, only identifiers")
        self._check_mapping(activation, merged, places, defaults)
        for kind, field in mapping.identifiers.items() if spec.carries_consent and spec.channels(options) else ():
            if "." in field:
                places.at("mapping", "identifiers", kind).report(
                    f"{field!r} follows a relationship; {spec.name} carries consent, which belongs to addresses of the "
                    f"model {model!r}"
                )
        self._check_names(activation, model, spec, options, mapping, places)
        if merged.data["on_duplicate"] == "expand":
            _check_expansion(model, mapping, places)
        check_consent(self.fields, model, spec, options, merged, places.at)
        self._check_list_name(activation, spec, merged, places)

    def _check_mapping(
        self,
        activation: Activation,
        merged: Merged,
        places: ActivationPlaces,
        defaults: Collection[KeyPath],
    ) -> None:
        """The fields that are mapped, whatever the service's options."""
        mapping = FieldMapping.model_validate(merged.data["mapping"])
        model = self.project.users_model(activation.segment)
        for kind, field in mapping.identifiers.items():
            place = places.at("mapping", "identifiers", kind)
            if ("identifiers", kind) not in defaults:
                check_field(self.fields, model, field, place, identifier=True)
        for name, field in mapping.fields.items():
            if ("fields", name) not in defaults:
                check_field(self.fields, model, field, places.at("mapping", "fields", name), attribute=True)
        if mapping.region is not None and ("region",) not in defaults:
            check_field(self.fields, model, mapping.region, places.at("mapping", "region"))

    def _check_source(self, activation: Activation, model: str, places: ActivationPlaces) -> None:
        """Whether rows of the default source can be found for the members."""
        source = self.project.destinations[activation.destination].default_attributes
        settings = self.fields.settings
        if source is None or source.model not in settings.models or model in self.fields.damaged:
            return
        if path_to(settings, model, source.model) is None:
            keys = [settings.models[each] for each in (model, source.model)]
            places.destination.at("default_attributes", "model").report(
                f"nothing joins {source.model!r} to {model!r}, whose segments are delivered here, and their keys are "
                f"{keys[1].key_type} and {keys[0].key_type}",
                f"declare a relationship: {{from: {model}, to: {source.model}, kind: belongs_to, "
                f"on: {{...: {keys[1].key}}}}}",
            )

    def _check_list_name(
        self, activation: Activation, spec: ServiceSpec, merged: Merged, places: ActivationPlaces
    ) -> None:
        """What a vendor wants of its lists' names; an empty one is reported with the lists."""
        template = merged.data["list_name"]
        if spec.name_fault is None or template_mistake(template, template_names(activation)):
            return
        name = render_list_name(template, self.project, activation)
        fault = spec.name_fault(name) if name else None
        if fault:
            places.at("list_name").report(fault, "set another list_name")

    def _check_names(
        self,
        activation: Activation,
        model: str,
        spec: ServiceSpec,
        options: BaseModel,
        mapping: FieldMapping,
        places: ActivationPlaces,
    ) -> None:
        """What the service itself says of the mapping at this account."""
        if spec.mapping_faults is None:
            return

        def types(names: Mapping[str, str]) -> dict[str, str]:
            return {name: self.fields.resolve(model, field, Place.nowhere()) or "text" for name, field in names.items()}

        destination = self.project.destinations[activation.destination]
        settings = known_settings(destination, self.types[destination.type])
        constants = dict.fromkeys(activation.constants, "text") if isinstance(activation, Treatment) else {}
        mapped = Mapped(types(mapping.identifiers), {**types(mapping.fields), **constants})
        for fault in spec.mapping_faults(settings, options, mapped):
            places.at("mapping", *fault.place).report(fault.message, fault.hint)


def _check_expansion(model: str, mapping: FieldMapping, places: ActivationPlaces) -> None:
    """A row for each address asks for a model that may have several of somebody, and for one such model."""
    paths = {field.rpartition(".")[0] for field in mapping.identifiers.values()}
    place = places.at("on_duplicate")
    if paths and not any(paths):
        known = " and ".join(mapping.identifiers.values())
        place.report(
            f"expand makes a row of each address, but {model!r}, whose {known} names people, has one row of each",
            "say first; or map an identifier of the model with several rows",
        )
    elif len(paths) > 1:
        named = ", ".join(sorted(path or model for path in paths))
        place.report(f"expand takes addresses of one model, and the identifiers are of {named}", "say first")


def _check_required(spec: ServiceSpec, options: BaseModel, mapping: FieldMapping, places: ActivationPlaces) -> None:
    for name in spec.required(options):
        if name in mapping.identifiers or name in mapping.fields:
            continue
        known = every_identifier(spec, options)
        setting = f"mapping.{'identifiers' if name in known else 'fields'}.{name}"
        channel = next((each for each in spec.channels(options) if name in _needs(spec, options, each)), None)
        who = f"channel {channel}" if channel else spec.name
        place = places.at("options", "channels") if channel else places.at("mapping")
        place.report(f"{who} needs {setting}", "map it to a field of the users model")


def _needs(spec: ServiceSpec, options: BaseModel, channel: str) -> Sequence[str]:
    """What must be mapped for one channel alone."""
    alone = only_channel(spec, options, channel)
    return spec.required(alone) if alone is not None else ()


def _names_are_known(spec: ServiceSpec, options: BaseModel, mapping: FieldMapping, places: ActivationPlaces) -> bool:
    identifiers = every_identifier(spec, options)
    unknown = [name for name in mapping.identifiers if name not in identifiers]
    for name in unknown:
        places.at("mapping", "identifiers", name).unknown("identifier", name, identifiers, where=f"of {spec.name}")
    for name in mapping.fields:
        if name in identifiers or (name == "region" and mapping.region):
            where = "mapping.region" if name == "region" else f"mapping.identifiers.{name}"
            places.at("mapping", "fields", name).report(f"{name!r} is not an attribute: write {where}")
    return not unknown


def check_lists(project: Project, judged: Sequence[tuple[Activation, ActivationPlaces]]) -> None:
    """Each activation owns one list: two of one account and name would undo each other's work."""
    owners: dict[tuple[str, str, str], str] = {}
    places = {activation.activation: its for activation, its in judged}
    for activation, its in judged:
        name, template = activation.activation, merge(project, activation).data["list_name"]
        if template_mistake(template, template_names(activation)):
            continue
        destination = project.destinations[activation.destination]
        list_name = render_list_name(template, project, activation)
        place = its.activation.at("list_name")
        if not list_name:
            place.report("the list's name is empty")
            continue
        # Some vendors take names for one that differ in capitals, and the second list would be the first.
        account = (destination.type, json.dumps(destination.settings, sort_keys=True), list_name.casefold())
        first = owners.setdefault(account, name)
        if first != name:
            place.report(
                f"the list {list_name!r} at {activation.destination} belongs to the activation {first!r} already "
                f"({places[first].activation.source}); each activation owns one list",
                f'give this one a list_name of its own, e.g. "{_OWN_NAMES[isinstance(activation, Treatment)]}"',
            )


def segment_and_destination_known(
    activation: Activation, segments: Collection[str], destinations: Collection[str] | None, place: Place
) -> bool:
    """Whether both are declared somewhere; reported if not. None are destinations that could not be read."""
    if activation.segment not in segments:
        place.at("segment").unknown("segment", activation.segment, segments)
    if destinations is not None and activation.destination not in destinations:
        place.at("destination").unknown("destination", activation.destination, destinations)
    return activation.segment in segments and activation.destination in (destinations or ())


def check_activation_remains(
    data: Mapping[str, Any], segments: Collection[str], destinations: Collection[str] | None, place: Place
) -> None:
    """What can still be judged by itself of an activation whose form has mistakes, which have been reported."""
    for key, names in (("segment", segments), ("destination", destinations)):
        if names is not None and isinstance(data.get(key), str) and data[key] not in names:
            place.at(key).unknown(key, data[key], names)
    own = keys_of(ActivationSettings)
    written = {key: value for key, value in data.items() if key in own}
    remains = salvage(ActivationSettings, written, place, alone=True)
    if remains is not None:
        check_settings(*remains)
