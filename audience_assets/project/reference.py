"""The configuration reference, written from the models that read the files.

python -m audience_assets.project.reference > docs/configuration.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.project.activations import ActivationSettings, DefaultAttributes
from audience_assets.project.campaigns import Campaign
from audience_assets.project.conditions import NODE_KEYS, All, Condition
from audience_assets.project.models import Segment
from audience_assets.project.operators import OPERATORS, Operator
from audience_assets.project.project import ProjectFile
from audience_assets.project.times import ANCHORS

INTRODUCTION = """# Configuration reference

Generated from the models that read the files: `python -m audience_assets.project.reference`.
JSON Schemas for editors: `audience-assets schema --out schemas`.
Every plain scalar is read as it is written (`NO`, `0123`, `3.10`, `2026-01-01`); only `null` is nothing.
Anything that differs by environment can be `{env: NAME}` where it says so.

| file | holds |
|---|---|
| `project.yaml` | warehouse, models, relationships, calculated fields, insights |
| `destinations.yaml` | `destinations:` name -> account and its default activation settings |
| `segments/*.yaml` | one segment a document; its name is the file's unless `segment:` says another |
| `activations/*.yaml` | one activation a document; its name is the file's unless `activation:` says another |
| `campaigns/*.yaml` | one campaign a document; its id is the file's name unless `campaign:` says another |
| `lists/*.csv` | uploaded lists of keys |

Other files may stand beside them. YAML of nearly such a name (`segment/vips.yaml`, `activations.yaml`, `project.yml`) is a mistake that is said.
"""


VALUES = """## Values

| what | how it is written |
|---|---|
| duration | a whole number and a unit: `30min`, `6h`, `30d`, `2w`, `12mo`, `1q`, `1y`. From days on they follow the calendar of the project's timezone and begin at its midnight |
| moment | a date `2026-01-31`, a time `2026-01-31T18:00`, or an anchor with offsets: `today-30d`, `start_of_month-1mo` |
| anchors | %s |
| measure | `count`, or `sum:FIELD`, `avg:FIELD`, `min:FIELD`, `max:FIELD`, `count_distinct:FIELD` |
| dotted name | follows belongs-to relationships: `product.category` |
| `{env: NAME}` | the environment variable's value, where a setting says so |
"""
# One of every kind of condition, over the models of the demo.
EXAMPLES = """where:
  all:
    - {field: country, op: in, value: [FR, BE, NO]}
    - {field: created_at, op: in_last, value: 90d}
    - {field: created_at, op: after, value: start_of_year}
    - {field: revenue_12m, op: between, value: [100, 500], bounds: "[)"}
    - any:
        - {field: email, op: ends_with, value: "@example.com"}
        - {field: birthdate, op: anniversary_in_next, value: 7d}
    - related: orders                     # at least two orders in the last year ...
      window: {within: 12mo}
      where: {field: channel, op: is, value: online}
      op: gte
      value: 2
    - related: orders                     # ... of 200 together ...
      measure: sum:amount
      op: gte
      value: 200
    - {related: orders, window: {within: 60d}, quantifier: none}   # ... and none lately
    - consent: {channel: email, status: subscribed}
    - {segment: newsletter_readers, joined_within: 30d}
    - not: {list: staff}                  # lists/staff.csv
    - not: {received: {within: 7d, at_least: 2}}   # a cap: two campaigns a week
    - sample: {percent: 10, salt: spring}
    - rank: {by: revenue_12m, top_percent: 20}
"""


def reference() -> str:
    """The whole reference as Markdown."""
    return "\n".join(_lines()).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield INTRODUCTION
    yield VALUES % ", ".join(f"`{anchor}`" for anchor in ANCHORS)
    seen: set[type[BaseModel]] = set()
    yield from _section("project.yaml", ProjectFile, seen, level=2)
    yield from _section("segments/*.yaml", Segment, seen, level=2)
    yield from _conditions(seen)
    yield from _section(
        "activations/*.yaml, and default_activation of a destination", ActivationSettings, seen, level=2
    )
    yield from _section("default_attributes of a destination", DefaultAttributes, seen, level=2)
    yield from _section("campaigns/*.yaml", Campaign, seen, level=2)
    for kind in DESTINATIONS.values():
        yield from _section(f"destinations.yaml: type {kind.name}", kind.settings_model, seen, level=2)
        for spec in kind.services.values():
            yield from _section(f"options of {spec.name}", spec.options_model, seen, level=3)


def _section(title: str, model: type[BaseModel], seen: set[type[BaseModel]], *, level: int) -> Iterator[str]:
    seen.add(model)
    yield f"{'#' * level} {title}\n"
    if model.__doc__:
        yield model.__doc__.strip().split("\n\n")[0].replace("\n    ", " ") + "\n"
    yield from ("| setting | kind | default | what |", "|---|---|---|---|")
    for name, field in model.model_fields.items():
        yield f"| `{field.alias or name}` | {_kind(field.annotation)} | {_default(field)} | {field.description or ''} |"
    yield ""
    for field in model.model_fields.values():
        for nested in _models(field.annotation):
            if nested not in seen and not _is_node(nested):
                yield from _section(nested.__name__, nested, seen, level=3)


def _conditions(seen: set[type[BaseModel]]) -> Iterator[str]:
    yield "## Conditions\n"
    yield f"Exactly one key decides the kind of a node: {', '.join(f'`{key}`' for key in NODE_KEYS)}.\n"
    yield f"```yaml\n{EXAMPLES}```\n"
    for node in _models(Condition):
        if node not in seen:
            yield from _section(node.__name__.rstrip("_"), node, seen, level=3)
    yield "### Operators\n"
    yield from ("| operator | types | value |", "|---|---|---|")
    for name, operator in OPERATORS.items():
        yield f"| `{name}` | {', '.join(sorted(operator.types))} | {_operand(operator)} |"
    yield ""


def _operand(operator: Operator) -> str:
    """What stands in `value`, in words."""
    what = {
        "value": "one of the field's type",
        "duration": "a duration",
        "month": "a month, 1 to 12 or its name",
        "item": "an item",
        "length": "a number",
    }[operator.operand]
    many = {"none": "none", "two": "a list of both ends", "many": "a list"}
    return many.get(operator.arity, what)


def _is_node(model: type[BaseModel]) -> bool:
    return model in set(_models(Condition)) or model is All


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models an annotation names, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


_PLAIN = {str: "text", int: "integer", float: "number", Decimal: "number", bool: "true or false", Any: "any"}


def _kind(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    words = ""
    if annotation == Condition:
        words = "condition"
    elif origin is Annotated:
        words = _kind(arguments[0])
    elif origin is Literal:
        words = " or ".join(f"`{argument}`" for argument in arguments)
    elif origin in (Union, UnionType):
        words = " or ".join(dict.fromkeys(_kind(argument) for argument in arguments if argument is not NoneType))
    elif origin is dict:
        words = f"name -> {_kind(arguments[1])}"
    elif origin in (list, tuple):
        words = f"list of {_kind(arguments[0])}"
    return words or _PLAIN.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is PydanticUndefined or isinstance(value, BaseModel) or value in (None, {}, [], ()):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    sys.stdout.write(reference())
