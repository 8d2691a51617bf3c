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
    """Relationships of a model, also those declared from the other side."""
    found = []
    for relationship in relationships:
        on = tuple(relationship.on.items())
        to_many = relationship.kind == "has_many"
        if relationship.from_ == model:
            found.append(Link(relationship.to, on, relationship.name, to_many))
        if relationship.to == model:
            back = tuple((there, here) for here, there in on)
            found.append(Link(relationship.from_, back, None, not to_many))
    return found


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
