"""What `doctor` proves of an Iterable project, with one cheap call each."""

from __future__ import annotations

from collections.abc import Iterator

from audience_assets.destinations.base import BadBatch, BadRows, DestinationError, Finding, Mapped
from audience_assets.destinations.examining import attempt
from audience_assets.destinations.iterable.client import IterableClient
from audience_assets.destinations.iterable.settings import EMAIL, ContactListOptions, IterableSettings
from audience_assets.destinations.iterable.values import CREATED_AS, DATE, DOUBLE, LONG, STRING

# No user can have this address (RFC 2606), so the look-up finds nobody.
_NOBODY = {"email": "nobody@audience-assets.invalid", "user_id": "audience-assets-nobody"}
# The field that Iterable keeps the lists of a profile in, by project type.
_LISTS_FIELD = {True: "emailListIds", False: "userListIds"}


def examine(
    client: IterableClient,
    settings: IterableSettings,
    options: ContactListOptions,
    mapped: Mapped,
    kind: str,
    list_name: str | None,
) -> Iterator[Finding]:
    """Findings in the order of the checks; a key that is not accepted ends them."""
    try:
        lists = client.lists()
    except DestinationError as error:
        yield Finding("credentials", False, str(error))
        return
    where = settings.base_url or f"the {settings.data_center.upper()} data centre"
    yield Finding("credentials", True, f"the key belongs to a project at {where}; its number of lists is {len(lists)}")
    yield attempt("reading users", lambda: client.knows(kind, _NOBODY[kind]))
    yield attempt("writing", lambda: _write_nobody(client))
    try:
        fields = client.fields()
    except DestinationError as error:
        yield Finding("reading fields", False, str(error))
    else:
        yield _project_type(settings, fields)
        yield from _attributes(options, mapped, fields)
    if list_name is not None:
        yield _list(lists, list_name)


def _write_nobody(client: IterableClient) -> None:
    """An update of nobody: a read-only key is refused, any other is told that nobody is named."""
    try:
        client.bulk_update([], create_fields=False)
    except (BadBatch, BadRows):
        return


def _project_type(settings: IterableSettings, fields: dict[str, str]) -> Finding:
    """No endpoint tells the type; the name of one field gives away whether it is an email project."""
    by_email = settings.project_type == EMAIL
    expected, other = _LISTS_FIELD[by_email], _LISTS_FIELD[not by_email]
    if other in fields and expected not in fields:
        message = (
            f"project_type is {settings.project_type}, but profiles keep their lists in {other!r}, as those of "
            f"{'user_id and hybrid projects' if by_email else 'email projects'} do"
        )
        return Finding("project type", False, message)
    return Finding("project type", True, f"{settings.project_type}, as set; Iterable does not tell it")


def _attributes(options: ContactListOptions, mapped: Mapped, fields: dict[str, str]) -> Iterator[Finding]:
    for name, field_type in mapped.attributes.items():
        expected, offered = fields.get(name), CREATED_AS.get(field_type)
        if expected is None:
            near = next((each for each in fields if each.lower() == name.lower()), None)
            hint = f" (there is {near!r}; capitals count)" if near else ""
            will = "the first sync creates it" if options.create_fields else "create_fields is off: it stays empty"
            yield Finding(f"attribute {name}", options.create_fields, f"Iterable has no such field; {will}{hint}")
        elif offered is not None and not _may_fit(expected, offered):
            message = f"Iterable's field is {expected}, the mapped one is {field_type}: its values will be rejected"
            yield Finding(f"attribute {name}", False, message)
        else:
            yield Finding(f"attribute {name}", True, f"Iterable's field is {expected}")


def _may_fit(expected: str, offered: str) -> bool:
    return expected == offered or (expected, offered) in {
        (STRING, DATE),
        (DATE, STRING),
        (DOUBLE, LONG),
        (LONG, DOUBLE),
    }


def _list(lists: list[dict[str, object]], name: str) -> Finding:
    found = [each for each in lists if each.get("name") == name]
    if not found:
        return Finding("list", True, f"there is no list {name!r} yet; the first sync creates it")
    told = ", ".join(f"{each['id']} ({each.get('listType')})" for each in found)
    if len(found) > 1:
        return Finding("list", False, f"there are {len(found)} lists called {name!r}: {told}")
    if found[0].get("listType") != "Standard":
        return Finding("list", False, f"list {name!r} is no static list: {told}")
    return Finding("list", True, f"list {name!r} exists: {told}")
