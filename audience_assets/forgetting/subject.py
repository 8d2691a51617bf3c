"""Whom a request is about: an e-mail address, a phone number or a user key, as it was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from audience_assets.destinations.identifiers import normal_email, normal_phone
from audience_assets.errors import AudienceError
from audience_assets.project.operators import coerce
from audience_assets.project.project import Project

EMAIL, PHONE, USER = "email", "phone", "user"


class BadSubject(AudienceError):
    """The request can't be understood. The text does not repeat it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """`value` is in one spelling (lower case, E.164, the key as text), `given` as it was typed.

    `model` is the users model that a user key is of; an address may be anybody's.
    """

    kind: str
    value: str
    given: str
    model: str | None = None

    @property
    def name(self) -> str:
        """What a proof is about: the same for every spelling of the same request."""
        return ":".join(part for part in (self.kind, self.model, self.value) if part)


def read_subject(project: Project, kind: str, given: str, model: str | None = None) -> Subject:
    """Check a request. Raises BadSubject with what is wrong, free of personal data."""
    text = given.strip()
    if not text:
        raise BadSubject(f"the {kind} is empty")
    if kind == EMAIL:
        address = normal_email(text)
        # What never was an address is kept with the rejections all the same.
        return Subject(kind, address if isinstance(address, str) else text.lower(), text)
    if kind == PHONE:
        number = normal_phone(text)
        if not isinstance(number, str):
            raise BadSubject(f"the phone can't be read ({number.detail}): write it with its country code, as +33 6 ...")
        return Subject(kind, number, text)
    return _user(project, text, model)


def _user(project: Project, text: str, model: str | None) -> Subject:
    models = [name for name, declared in project.models.items() if declared.type == "users"]
    if model is None and len(models) > 1:
        raise BadSubject(f"the project has several users models: say --model {' or --model '.join(models)}")
    chosen = model or models[0]
    if chosen not in models:
        raise BadSubject(f"{chosen!r} is no users model: choose one of {', '.join(models)}")
    try:
        return Subject(USER, str(coerce(text, project.models[chosen].key_type)), text, chosen)
    except ValueError:
        raise BadSubject(f"the key is not of type {project.models[chosen].key_type}, as {chosen}'s keys are") from None
