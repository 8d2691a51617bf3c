"""Bulk import: start a job, watch it, read what failed and who came of it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson

from audience_assets.sandbox.klaviyo import imports, render
from audience_assets.sandbox.klaviyo.call import MEDIUM, Call, Operation, answer
from audience_assets.sandbox.klaviyo.documents import PROFILES, known_list, profile_rows, resource
from audience_assets.sandbox.klaviyo.errors import Problems, refusal
from audience_assets.sandbox.klaviyo.filters import ANY, Field, Kind
from audience_assets.sandbox.klaviyo.jobs import EXPIRES_AFTER, IMPORT, Job
from audience_assets.sandbox.klaviyo.paging import links, paginate
from audience_assets.sandbox.klaviyo.profile_rows import check_profile
from audience_assets.sandbox.klaviyo.profiles import Profile
from audience_assets.sandbox.klaviyo.query import QuerySpec
from audience_assets.sandbox.messages import Response

MOST_PROFILES = 10_000
MOST_BYTES = 5 * 1024 * 1024
MOST_BYTES_OF_ONE = 100 * 1024
PATH = f"/api/{IMPORT}s"
WRITE = frozenset({"lists:write", "profiles:write"})
READ = frozenset({"lists:read", "profiles:read"})
READ_PROFILES = frozenset({"profiles:read"})
READ_LISTS = frozenset({"lists:read"})


def bulk_import(call: Call) -> Response:
    data = resource(call.body, IMPORT, attributes=("profiles",), relationships=("lists",))
    rows = profile_rows(data, MOST_PROFILES)
    list_ids = _lists(call, data)
    problems = Problems()
    for index, row in enumerate(rows):
        check_profile(row, f"{PROFILES}/{index}", problems)
    _check_sizes(call, rows, problems)
    problems.settle()
    account, switches = call.account, call.account.switches
    started = call.now + switches.job_queued
    token = f"{account.id}.maintenance.{account.new_id()}.{int(call.now)}.{account.new_id()}"
    job_id = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    job = Job(job_id, IMPORT, call.now, started, started, len(rows), list_ids)
    if call.request.applied:
        effect = partial(imports.run, account, job, rows)
        job.finished = account.agenda.add(started + switches.job_processing, effect, switches.delay_jitter)
    else:
        job.finished = float("inf")
    account.jobs.append(job)
    return _job(call, job, 202, rows=len(rows))


def _lists(call: Call, data: dict[str, Any]) -> list[str]:
    relation = (data.get("relationships") or {}).get("lists")
    if relation is None:
        return []
    pointer = "/data/relationships/lists/data"
    targets = relation.get("data") if isinstance(relation, dict) else None
    if not isinstance(targets, list):
        raise refusal(400, "'lists' must hold a 'data' array.", pointer=pointer)
    return [known_list(call.account, target, f"{pointer}/{index}") for index, target in enumerate(targets)]


def _check_sizes(call: Call, rows: list[dict[str, Any]], problems: Problems) -> None:
    """100 KB for each profile. Rows are measured one by one only where a body is large enough to hold a big one."""
    if len(call.request.body) <= MOST_BYTES_OF_ONE:
        return
    for index, row in enumerate(rows):
        if len(orjson.dumps(row)) > MOST_BYTES_OF_ONE:
            problems.add(f"A profile must not exceed {MOST_BYTES_OF_ONE:,} bytes.", f"{PROFILES}/{index}")


def get_jobs(call: Call) -> Response:
    account, query = call.account, call.query

    def wanted(position: int) -> Job | None:
        job = account.jobs[position]
        if job.kind != IMPORT or job.created + EXPIRES_AFTER <= call.now:
            return None
        return job if all(c.holds(job.status(call.now)) for c in query.conditions) else None

    found, following, previous = paginate(range(len(account.jobs)), wanted, query)
    document = {
        "data": [render.job(call.base, job, query, call.now) for job in found],
        "links": links(call.address, query, following, previous),
    }
    return answer(200, document, rows=len(found))


def get_job(call: Call) -> Response:
    return _job(call, _find(call), 200, rows=1)


def _find(call: Call) -> Job:
    """The import job of the path; expired ones are gone."""
    for job in call.account.jobs:
        if job.id == call.ids["id"] and job.kind == IMPORT and job.created + EXPIRES_AFTER > call.now:
            return job
    raise refusal(404, f"An import job with id {call.ids['id']} does not exist.")


def _job(call: Call, job: Job, status: int, *, rows: int) -> Response:
    document: dict[str, Any] = {
        "data": render.job(call.base, job, call.query, call.now),
        "links": {"self": call.address},
    }
    if call.query.include:
        found = (call.account.find_list(list_id) for list_id in job.list_ids)
        document["included"] = [render.list_resource(call.base, each, call.query) for each in found if each is not None]
    return answer(status, document, rows=rows)


def get_errors(call: Call) -> Response:
    job, query = _find(call), call.query
    found, following, previous = paginate(range(len(job.errors)), job.errors.__getitem__, query)
    document = {
        "data": [render.failed_row(call.base, job.id, each, query) for each in found],
        "links": links(call.address, query, following, previous),
    }
    return answer(200, document, rows=len(found))


def get_profiles(call: Call) -> Response:
    return _profiles(call, lambda profile: render.profile(call.base, profile, call.query))


def get_profile_ids(call: Call) -> Response:
    return _profiles(call, render.identity)


def _profiles(call: Call, shown: Callable[[Profile], dict[str, Any]]) -> Response:
    numbers = _find(call).profile_numbers

    def at(position: int) -> Profile | None:
        return call.account.profiles.by_number(numbers[position])

    found, following, previous = paginate(range(len(numbers)), at, call.query)
    document = {
        "data": [shown(profile) for profile in found],
        "links": links(call.address, call.query, following, previous),
    }
    return answer(200, document, rows=len(found))


def get_lists(call: Call) -> Response:
    found = (call.account.find_list(list_id) for list_id in _find(call).list_ids)
    return _collection(call, [render.list_resource(call.base, each, call.query) for each in found if each is not None])


def get_list_ids(call: Call) -> Response:
    return _collection(call, [{"type": "list", "id": list_id} for list_id in _find(call).list_ids])


def _collection(call: Call, data: list[dict[str, Any]]) -> Response:
    return answer(200, {"data": data, "links": links(call.address, call.query, None, None)}, rows=len(data))


JOB_FIELDS = frozenset({IMPORT})
ADDITIONAL = {"profile": frozenset({"subscriptions", "predictive_analytics"})}
PAGE = (20, 100)


def _reading(
    name: str, path: str, handler: Callable[[Call], Response], scopes: frozenset[str], query: QuerySpec
) -> Operation:
    return Operation(name, "GET", f"{PATH}{path}", handler, scopes, limits=MEDIUM, query=query)


OPERATIONS = (
    Operation(
        "bulk_import_profiles",
        "POST",
        PATH,
        bulk_import,
        WRITE,
        limits=MEDIUM,
        query=QuerySpec(fields=JOB_FIELDS),
        max_body=MOST_BYTES,
    ),
    _reading(
        "get_bulk_import_profiles_jobs",
        "",
        get_jobs,
        READ,
        QuerySpec(
            fields=JOB_FIELDS,
            filters={"status": Field(Kind.TEXT, ANY)},
            sorts=frozenset({"created_at"}),
            page_size=PAGE,
        ),
    ),
    _reading(
        "get_bulk_import_profiles_job",
        "/{id}",
        get_job,
        READ,
        QuerySpec(fields=JOB_FIELDS | {"list"}, include=frozenset({"lists"})),
    ),
    _reading(
        "get_errors_for_bulk_import_profiles_job",
        "/{id}/import-errors",
        get_errors,
        READ_PROFILES,
        QuerySpec(fields=frozenset({"import-error"}), page_size=PAGE),
    ),
    _reading(
        "get_profiles_for_bulk_import_profiles_job",
        "/{id}/profiles",
        get_profiles,
        READ_PROFILES,
        QuerySpec(fields=frozenset({"profile"}), additional=ADDITIONAL, page_size=PAGE),
    ),
    _reading(
        "get_profile_ids_for_bulk_import_profiles_job",
        "/{id}/relationships/profiles",
        get_profile_ids,
        READ_PROFILES,
        QuerySpec(page_size=PAGE),
    ),
    _reading(
        "get_list_for_bulk_import_profiles_job",
        "/{id}/lists",
        get_lists,
        READ_LISTS,
        QuerySpec(fields=frozenset({"list"})),
    ),
    _reading(
        "get_list_ids_for_bulk_import_profiles_job", "/{id}/relationships/lists", get_list_ids, READ_LISTS, QuerySpec()
    ),
)
