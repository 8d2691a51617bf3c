"""Relationships as seen from a model: which models it reaches, and by which names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from audience_assets.project.models import Relationship


@dataclass(frozen=True, slots=True)
class Link:
    """A relationship seen from one of its two models. `on` pairs a field here with a field of `model`."""

    model: str
    on: tuple[tuple[str, str], ...]
    name: str | None
    to_many: bool

    @property
    def names(self) -> tuple[str, ...]:
        """What conditions may call it; a dotted path also takes the singular."""
        plain = [self.name] if self.name else []
        plain += [self.model] if self.to_many else [self.model, singular(self.model)]
        return tuple(dict.fromkeys(plain))


def links_from(relationships: Iterable[Relationship], model: str) -> list[Link]:
    """Relationships of a model, also those declared from the other side; one declared from both sides counts once."""
    found: dict[tuple[str, frozenset[tuple[str, str]], bool], Link] = {}
    for link in (*_declared_here(relationships, model), *_declared_there(relationships, model)):
        found.setdefault((link.model, frozenset(link.on), link.to_many), link)
    return list(found.values())


def _declared_here(relationships: Iterable[Relationship], model: str) -> list[Link]:
    return [
        Link(each.to, tuple(each.on.items()), each.name, each.kind == "has_many")
        for each in relationships
        if each.from_ == model
    ]


def _declared_there(relationships: Iterable[Relationship], model: str) -> list[Link]:
    return [
        Link(each.from_, tuple((there, here) for here, there in each.on.items()), None, each.kind != "has_many")
        for each in relationships
        if each.to == model
    ]


def called(links: Iterable[Link], name: str, *, to_many: bool) -> list[Link]:
    """The links that a name means; more than one where it does not say which.

    A relationship with a name of its own goes by the other model's name only where no other does.
    """
    found = [link for link in links if link.to_many == to_many and name in link.names]
    own = [link for link in found if name == link.name or link.name is None]
    return own or found


def singular(name: str) -> str:
    """`products` -> `product`, `categories` -> `category`."""
    return name[:-3] + "y" if name.endswith("ies") else name.removesuffix("s")
