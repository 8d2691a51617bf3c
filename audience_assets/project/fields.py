"""Which fields the models have: declared, calculated, or implied by a key, a timestamp or a relationship."""

from __future__ import annotations

from dataclasses import dataclass, field

from audience_assets.project.formula import parse_formula
from audience_assets.project.links import Link, called, links_from
from audience_assets.project.measures import measure_type, parse_measure
from audience_assets.project.models import CalculatedField, FieldType, Model
from audience_assets.project.places import Place, nearest
from audience_assets.project.project import ProjectFile

MOST_TO_ONE_HOPS = 3


@dataclass
class Fields:
    """Looks names up and reports those that are not there.

    Nothing is said about what may stand in a part that could not be read: `damaged` models, `unread` fields of others.
    """

    settings: ProjectFile
    damaged: frozenset[str] = frozenset()
    unread: frozenset[tuple[str, str]] = frozenset()
    _deciding: set[tuple[str, str]] = field(default_factory=set)

    def may_be(self, model: str, name: str) -> bool:
        """Whether the model may have such a field in a part that could not be read."""
        return model in self.damaged or (model, name) in self.unread

    def model(self, name: str) -> Model | None:
        return self.settings.models.get(name)

    def lacks_time(self, model: str) -> bool:
        """Whether rows of the model can't be told apart by when they happened."""
        return self.settings.models[model].timestamp is None and model not in self.damaged

    def links(self, model: str) -> list[Link]:
        return links_from(self.settings.relationships, model)

    def resolve(self, model: str, path: str, place: Place) -> FieldType | None:
        """Type of a field, dotted over belongs-to relationships. None if it is unknown, which has been reported."""
        *hops, name = path.split(".")
        if len(hops) > MOST_TO_ONE_HOPS:
            place.report(f"{path!r} follows {len(hops)} relationships; at most {MOST_TO_ONE_HOPS} are allowed")
            return None
        for hop in hops:
            link = self._to_one(model, hop, place)
            if link is None:
                return None
            model = link.model
        return self.own(model, name, place)

    def owner(self, model: str, path: str) -> tuple[str, str] | None:
        """The model and field that a dotted path ends at, or None if a part is unknown."""
        *hops, name = path.split(".")
        for hop in hops:
            link = self._to_one(model, hop, Place.nowhere())
            if link is None:
                return None
            model = link.model
        return model, name

    def own(self, model: str, name: str, place: Place) -> FieldType | None:
        """Type of a field of the model itself, plain or calculated. None if unknown, which has been reported."""
        known = self.names(model)
        if name not in known:
            if not self.may_be(model, name):
                place.unknown("field", name, known, where=f"in the model {model!r}")
            return None
        calculated = self.settings.calculated_fields.get(model, {}).get(name)
        return self._calculated_type(model, name, calculated) if calculated else self.plain_type(model, name)

    def plain_type(self, model: str, name: str) -> FieldType | None:
        """Type of a column: as declared, else that of the key, of a timestamp, or of what it is joined with."""
        declared = self.settings.models[model]
        if name in declared.fields:
            return declared.fields[name].type
        if name == declared.key:
            return declared.key_type
        return "timestamp" if name == declared.timestamp else self._joined_type(model, name)

    def names(self, model: str) -> list[str]:
        """Every field that may be named, declared ones first."""
        declared = self.model(model)
        if declared is None:
            return []
        found = [*declared.fields, *self.settings.calculated_fields.get(model, {}), declared.key]
        found += [declared.timestamp] if declared.timestamp else []
        found += [here for link in self.links(model) for here, _ in link.on]
        return list(dict.fromkeys(found))

    def to_many(self, model: str, name: str, place: Place) -> Link | None:
        """The has-many relationship of that name, or of the model of that name. None if unknown, which is reported."""
        links = [link for link in self.links(model) if link.to_many]
        found = called(links, name, to_many=True)
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            place.report(
                f"{model!r} has several relationships to {name!r}: {name!r} does not say which",
                "give each relationship a name and use that",
            )
        elif model not in self.damaged:
            names = [each for link in links for each in link.names]
            if name in self.settings.models:
                place.report(f"{model!r} has no has_many relationship to {name!r}", nearest(name, names))
            else:
                place.unknown("model or relationship", name, names or self.settings.models)
        return None

    def _to_one(self, model: str, name: str, place: Place) -> Link | None:
        links = [link for link in self.links(model) if not link.to_many]
        found = called(links, name, to_many=False)
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            place.report(
                f"{model!r} has several relationships called {name!r}",
                f"declare the one you mean as belongs_to from {model!r}, with a name",
            )
        elif model not in self.damaged:
            names = [link.name or link.names[-1] for link in links]
            place.unknown("belongs_to relationship", name, names, where=f"from the model {model!r}")
        return None

    def _joined_type(self, model: str, name: str) -> FieldType | None:
        for link in self.links(model):
            for here, there in link.on:
                other = self.model(link.model)
                if here == name and other and (there == other.key or there in other.fields):
                    return self.plain_type(link.model, there)
        return "text"

    def _calculated_type(self, model: str, name: str, calculated: CalculatedField) -> FieldType | None:
        """None where its declaration is wrong, which is reported there."""
        if (model, name) in self._deciding:
            return None
        self._deciding.add((model, name))
        try:
            if calculated.formula is not None:
                parse_formula(calculated.formula)
                return "number"
            return self._aggregate_type(model, calculated)
        except ValueError:
            return None
        finally:
            self._deciding.discard((model, name))

    def _aggregate_type(self, model: str, calculated: CalculatedField) -> FieldType | None:
        measure = parse_measure(calculated.aggregate)
        quiet = Place.nowhere()
        link = self.to_many(model, calculated.over or "", quiet)
        if link is None:
            return None
        of = self.resolve(link.model, measure.field, quiet) if measure.field else None
        return None if measure.field and of is None else measure_type(measure, of)
