"""What editors and readers get is made from the models that read the files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from audience_assets.project.load import load_project
from audience_assets.project.reference import EXAMPLES, reference
from audience_assets.project.schema import json_schemas

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "audience_assets" / "demo" / "project"


class EditorLoader(yaml.SafeLoader):
    """YAML 1.2, as editors read it: `on` and `no` are words."""


EditorLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def written(path: Path) -> Any:
    """The file as an editor sees it, with YAML's own types."""
    return yaml.load(path.read_text(), Loader=EditorLoader)  # noqa: S506 - a SafeLoader


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("project", DEMO / "project.yaml"),
        ("destinations", DEMO / "destinations.yaml"),
        *(("segment", path) for path in sorted(DEMO.glob("segments/*.yaml"))),
        *(("campaign", path) for path in sorted(DEMO.glob("campaigns/*.yaml"))),
        *(("activation", path) for path in sorted(DEMO.glob("activations/**/*.yaml"))),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_the_demo_fits_its_schemas(kind: str, path: Path) -> None:
    schema = json_schemas()[kind]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(written(path), schema)


def test_the_references_examples_are_of_the_demo(tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(DEMO, project)
    (project / "segments" / "examples.yaml").write_text(EXAMPLES)
    assert "examples" in load_project(project).segments


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("segment", {"wheer": {"field": "city", "op": "is", "value": "Oslo"}}),
        ("activation", {"segment": "vips"}),
        ("activation", {"segment": "vips", "destination": "klaviyo", "service": "klaviyo.subscriptionlist"}),
        ("activation", {"segment": "vips", "destination": "klaviyo", "options": {"chanels": ["email"]}}),
        ("destinations", {"destinations": {"k": {"type": "klavio"}}}),
        ("project", {"project": "shop", "warehouse": {"url": "sqlite://"}, "models": {"c": {"type": "people"}}}),
    ],
)
def test_a_mistake_does_not_fit(kind: str, document: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json_schemas()[kind])


def test_the_printed_reference_is_current() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert page == reference(), "run: python -m audience_assets.project.reference > docs/configuration.md"
