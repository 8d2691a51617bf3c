"""The files of a project's folder as YAML documents."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audience_assets.errors import Problem
from audience_assets.project.names import check_slug
from audience_assets.project.places import Place
from audience_assets.project.strays import strays
from audience_assets.project.yaml_text import read_documents

PROJECT = "project.yaml"
DESTINATIONS = "destinations.yaml"


@dataclass(frozen=True)
class Entry:
    """One segment, activation or campaign as written: its name, its data, where it stands."""

    name: str
    data: dict[str, Any]
    place: Place


@dataclass
class Files:
    """Everything read from the folder. A file that is missing or not YAML leaves its part None.

    `unread` are names of segments whose file could not be read, as far as the file's name tells; so for campaigns.
    """

    project: Place | None
    destinations: Place | None
    segments: dict[str, Entry]
    activations: dict[str, Entry]
    campaigns: dict[str, Entry]
    problems: list[Problem] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    unread_campaigns: set[str] = field(default_factory=set)
    destinations_readable: bool = True

    @property
    def segment_names(self) -> list[str]:
        """Every segment that something may refer to."""
        return [*self.segments, *sorted(self.unread - set(self.segments))]

    @property
    def campaign_names(self) -> list[str]:
        """Every campaign that something may refer to."""
        return [*self.campaigns, *sorted(self.unread_campaigns - set(self.campaigns))]


def read_files(root: Path) -> Files:
    """Read the folder; mistakes of syntax and naming are in `problems`."""
    problems: list[Problem] = []
    if not (root / PROJECT).is_file():
        message = f"there is no {PROJECT} in {root}" if root.is_dir() else f"there is no folder {root}"
        problems.append(Problem(PROJECT, 1, "", message, "`audience-assets init` makes a project that runs as it is"))
        problems += strays(root) if root.is_dir() else ()
        return Files(None, None, {}, {}, {}, problems)
    problems += strays(root)
    unread: set[str] = set()
    unread_campaigns: set[str] = set()
    has_destinations = (root / DESTINATIONS).exists()
    destinations = _single(root, DESTINATIONS, problems) if has_destinations else None
    return Files(
        project=_single(root, PROJECT, problems),
        destinations=destinations,
        segments=_folder(root, "segments", "segment", problems, unread),
        activations=_folder(root, "activations", "activation", problems, set()),
        campaigns=_folder(root, "campaigns", "campaign", problems, unread_campaigns),
        problems=problems,
        unread=unread,
        unread_campaigns=unread_campaigns,
        destinations_readable=not has_destinations or _lists_destinations(destinations),
    )


def _lists_destinations(place: Place | None) -> bool:
    """Whether the file tells which destinations there are; under another key they may stand misspelt."""
    return place is not None and (not place.document.data or "destinations" in place.document.data)


def _single(root: Path, file: str, problems: list[Problem]) -> Place | None:
    documents, found = read_documents(root / file, file)
    problems += found
    if len(documents) > 1:
        problems.append(Problem(file, documents[1].line(()), "", "this file holds one document; `---` begins a second"))
    if not documents:
        if not found:
            problems.append(Problem(file, 1, "", "the file is empty"))
        return None
    place = Place(documents[0], (), problems)
    if not isinstance(place.document.data, dict):
        place.report("expected a map of settings")
        return None
    return place


def _folder(root: Path, folder: str, key: str, problems: list[Problem], unread: set[str]) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for path in sorted((root / folder).glob("**/*")):
        file = path.relative_to(root).as_posix()
        # Hidden are what editors leave, and what Kubernetes links to where it mounts a ConfigMap.
        if any(part.startswith(".") for part in path.relative_to(root).parts):
            continue
        if path.suffix in (".yml", ".json"):
            problems.append(Problem(file, 1, "", "is not read: only *.yaml files are", f"rename it {path.stem}.yaml"))
        # A link that leads nowhere is read, and reported as what it is.
        if path.suffix != ".yaml" or path.is_dir():
            continue
        found = _entries(path, file, key, problems)
        if not found:
            unread.add(path.stem)
        for entry in found:
            first = entries.setdefault(entry.name, entry)
            if first is not entry:
                where = entry.place.at(key) if key in entry.data else entry.place
                where.report(f"there is a {key} {entry.name!r} already", f"the first is {first.place.source}")
    return entries


def _entries(path: Path, file: str, key: str, problems: list[Problem]) -> list[Entry]:
    documents, found = read_documents(path, file)
    problems += found
    documents = [document for document in documents if document.data is not None]
    if not documents and not found:
        problems.append(Problem(file, 1, "", f"the file is empty: it declares no {key}"))
    entries = []
    for document in documents:
        place = Place(document, (), problems)
        if not isinstance(document.data, dict):
            place.report(f"expected a map of the {key}'s settings")
            continue
        name = document.data.get(key)
        if name is None and len(documents) > 1:
            place.report(f"a file with several documents names each: `{key}: NAME` is missing")
            continue
        name = path.stem if name is None else name
        if isinstance(name, str) and check_slug(name, key, place.at(key)):
            entries.append(Entry(name, {**document.data, key: name}, place))
        elif not isinstance(name, str):
            place.at(key).report(f"the name of the {key} is text")
    return entries
