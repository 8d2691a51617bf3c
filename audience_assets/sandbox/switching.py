"""Changing a vendor's switches while its twin runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def change_switches(switches: DataclassInstance, given: Mapping[str, Any]) -> dict[str, Any]:
    """Set those that are given and answer with all of them; lists stand for sets. KeyError names an unknown one."""
    known = {field.name for field in fields(switches)}
    for name, value in given.items():
        if name not in known:
            raise KeyError(name)
        setattr(switches, name, frozenset(value) if isinstance(value, list) else value)
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(switches).items()}
