"""JSON Schemas of a project's files, for editors to complete and check while typing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from audience_assets.destinations.base import DestinationType
from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.project.activations import Activation, ActivationSettings, DefaultAttributes
from audience_assets.project.campaigns import Campaign
from audience_assets.project.models import Segment
from audience_assets.project.project import ProjectFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Every plain scalar is read as it is written, so a number where text is meant is no mistake.
_SCALARS = ["string", "number", "boolean"]
_ENV = {"type": "object", "properties": {"env": {"type": "string"}}, "required": ["env"], "additionalProperties": False}


def json_schemas(destinations: Mapping[str, DestinationType] = DESTINATIONS) -> dict[str, dict[str, Any]]:
    """File kind -> JSON Schema: project, destinations, segment, activation, campaign."""
    return {
        "project": _document(ProjectFile, "project.yaml"),
        "destinations": _destinations(destinations),
        "segment": _nameless(_document(Segment, "segments/*.yaml"), "segment"),
        "activation": _with_options(_nameless(_document(Activation, "activations/*.yaml"), "activation"), destinations),
        "campaign": _with_delivery(_nameless(_document(Campaign, "campaigns/*.yaml"), "campaign"), destinations),
    }


def _document(model: type[BaseModel], title: str) -> dict[str, Any]:
    schema: dict[str, Any] = _lenient(model.model_json_schema(by_alias=True))
    return {"$schema": DIALECT, **schema, "title": title}


def _lenient(node: Any) -> Any:
    """The schema with texts and numbers that may be written as any scalar."""
    if isinstance(node, list):
        return [_lenient(item) for item in node]
    if not isinstance(node, dict):
        return node
    loosened = {key: _lenient(value) for key, value in node.items()}
    if node.get("type") == "string" and not {"enum", "const", "format"} & node.keys():
        loosened["type"] = _SCALARS
    return loosened


def _nameless(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """The name may be left out of a file that holds one: it is the file's."""
    required = [field for field in schema.get("required", []) if field != name]
    if name == "activation":
        return {**schema, "required": required}
    return {key: value for key, value in schema.items() if key != "required"} | (
        {"required": required} if required else {}
    )


def _destinations(types: Mapping[str, DestinationType]) -> dict[str, Any]:
    """Settings are written flat beside `type`, so each vendor is one alternative, chosen by it."""
    defaults = ActivationSettings.model_json_schema(by_alias=True)
    definitions: dict[str, Any] = defaults.pop("$defs", {})
    alternatives = []
    for name, kind in types.items():
        settings = kind.settings_model.model_json_schema(by_alias=True)
        definitions |= settings.pop("$defs", {})
        properties = {key: {"anyOf": [_lenient(value), _ENV]} for key, value in settings.get("properties", {}).items()}
        alternatives.append(
            {
                "type": "object",
                "title": kind.title,
                "properties": {
                    "type": {"const": name},
                    "description": {"type": "string"},
                    "default_activation": {"$ref": "#/$defs/ActivationSettings"},
                    "default_attributes": {"$ref": "#/$defs/DefaultAttributes"},
                    **properties,
                },
                "required": ["type", *settings.get("required", [])],
                "additionalProperties": False,
            }
        )
    definitions["ActivationSettings"] = defaults
    definitions["DefaultAttributes"] = DefaultAttributes.model_json_schema(by_alias=True)
    lenient = {name: _lenient(definition) for name, definition in definitions.items()}
    schema: dict[str, Any] = {
        "$schema": DIALECT,
        "title": "destinations.yaml",
        "type": "object",
        "properties": {"destinations": {"type": "object", "additionalProperties": {"anyOf": alternatives}}},
        "required": ["destinations"],
        "additionalProperties": False,
        "$defs": lenient,
    }
    return _with_services(schema, lenient["ActivationSettings"], types)


def _with_options(schema: dict[str, Any], types: Mapping[str, DestinationType]) -> dict[str, Any]:
    return _with_services(schema, schema, types)


def _with_delivery(schema: dict[str, Any], types: Mapping[str, DestinationType]) -> dict[str, Any]:
    return _with_services(schema, schema["$defs"]["ActivationSettings"], types)


def _with_services(
    schema: dict[str, Any], settings: dict[str, Any], types: Mapping[str, DestinationType]
) -> dict[str, Any]:
    """Name the services, and give `options` the union of what they take."""
    specs = [spec for kind in types.values() for spec in kind.services.values()]
    properties = settings["properties"]
    properties["service"] = {"anyOf": [{"enum": [spec.name for spec in specs]}, {"type": "null"}]}
    alternatives: list[dict[str, Any]] = []
    for spec in specs:
        options = spec.options_model.model_json_schema(by_alias=True)
        schema.setdefault("$defs", {}).update(_lenient(options.pop("$defs", {})))
        alternatives.append(_lenient(options))
    properties["options"] = {"anyOf": [*alternatives, {"type": "null"}]}
    return schema
