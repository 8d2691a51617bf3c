"""`audience-assets schema`: what editors need to complete and check the project's files."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from audience_assets.cli.declare import declare
from audience_assets.cli.session import Session
from audience_assets.project.schema import json_schemas


@declare(
    "schema",
    click.option(
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        help="Write one file a schema into this folder, instead of all to stdout.",
    ),
)
def command(session: Session, out: Path | None) -> None:
    """Write JSON Schemas of project.yaml, destinations.yaml, segments and activations.

    In VS Code, name them in the setting yaml.schemas.
    """
    schemas = json_schemas()
    if out is None:
        session.answer(schemas)
        return
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, schema in schemas.items():
        path = out / f"{name}.schema.json"
        path.write_bytes(orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        session.say(str(path))
        written.append(str(path))
    if session.as_json:
        session.answer(written)
