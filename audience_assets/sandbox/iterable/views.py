"""The Iterable part of the sandbox's page."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from audience_assets.sandbox.clock import as_datetime
from audience_assets.sandbox.iterable.project import IterableProject
from audience_assets.sandbox.iterable.users import User
from audience_assets.sandbox.vendor import Cell, Table, View

if TYPE_CHECKING:
    from audience_assets.sandbox.iterable.vendor import IterableSandbox

PAGE = 50
PERSON = ("E-mail", "User id", "Attributes", "Channels opted out of")


def show(vendor: IterableSandbox, path: str, parameters: dict[str, str]) -> View | None:
    """ "" is the overview; `<project>/lists/<id>` a list, `<project>/users` and `<project>/fields` all of them."""
    page = int(parameters["page"]) if parameters.get("page", "").isdigit() else 0
    match path.split("/"):
        case [""]:
            return View("Iterable", [t for each in vendor.projects.values() for t in _overview(each)])
        case [name, "users"] if name in vendor.projects:
            return _users(vendor.projects[name], page)
        case [name, "fields"] if name in vendor.projects:
            return _fields(vendor.projects[name])
        case [name, "lists", list_id] if name in vendor.projects and list_id.isdigit():
            return _members(vendor.projects[name], int(list_id), page)
    return None


def _overview(project: IterableProject) -> list[Table]:
    with project.lock:
        project.settle()
        lists = [
            (
                Cell(each.name, f"{project.name}/lists/{each.id}"),
                str(each.id),
                each.list_type,
                f"{len(each):,}",
                f"{as_datetime(each.created):%Y-%m-%d %H:%M:%S}",
            )
            for each in project.lists
        ]
        facts = (
            Cell(f"{len(project.users):,}", f"{project.name}/users"),
            Cell(f"{len(project.fields.types):,}", f"{project.name}/fields"),
            str(project.id),
            project.type,
            f"{len(project.agenda):,} writes",
        )
    return [
        Table(f"Iterable project {project.name}", ("Users", "Fields", "Project id", "Type", "Later"), [facts]),
        Table("Lists", ("Name", "Id", "Type", "Members", "Created"), lists),
    ]


def _members(project: IterableProject, list_id: int, page: int) -> View | None:
    with project.lock:
        project.settle()
        found = project.find_list(list_id)
        if found is None:
            return None
        users = (project.users.by_number(number) for number in islice(found, page * PAGE, (page + 1) * PAGE))
        rows = [_person(user) for user in users if user is not None]
    table = Table(f"{len(found):,} members", PERSON, rows, note=f"{found.id}, {found.list_type}")
    return View(found.name, [_paged(table, f"{project.name}/lists/{list_id}", page, len(found))])


def _users(project: IterableProject, page: int) -> View:
    with project.lock:
        project.settle()
        rows = [_person(user) for user in islice(project.users, page * PAGE, (page + 1) * PAGE)]
        total = len(project.users)
    table = Table(f"{total:,} users", PERSON, rows)
    return View(f"Users of {project.name}", [_paged(table, f"{project.name}/users", page, total)])


def _fields(project: IterableProject) -> View:
    with project.lock:
        rows = sorted(project.fields.types.items())
    return View(f"Fields of {project.name}", [Table(f"{len(rows):,} fields", ("Field", "Type"), rows)])


def _person(user: User) -> tuple[str, str, str, str]:
    data = ", ".join(f"{name}: {value}" for name, value in (user.data or {}).items())
    opted_out = ", ".join(str(each) for each in sorted(user.unsubscribed_channels or ()))
    return (user.email or "", user.user_id or "", data, opted_out)


def _paged(table: Table, path: str, page: int, total: int) -> Table:
    table.previous = f"{path}?page={page - 1}" if page else None
    table.following = f"{path}?page={page + 1}" if (page + 1) * PAGE < total else None
    return table
