"""Suppression and unsuppression jobs."""

from __future__ import annotations

from functools import partial
from typing import Any

from audience_assets.sandbox.klaviyo import render, suppressions
from audience_assets.sandbox.klaviyo.call import Call, Operation, answer
from audience_assets.sandbox.klaviyo.documents import PROFILES, check_email, known_list, profile_rows, resource
from audience_assets.sandbox.klaviyo.errors import Problems, refusal
from audience_assets.sandbox.klaviyo.filters import EQUAL, Field, Kind
from audience_assets.sandbox.klaviyo.jobs import SUPPRESS, UNSUPPRESS, Job
from audience_assets.sandbox.klaviyo.paging import links, paginate
from audience_assets.sandbox.klaviyo.query import QuerySpec
from audience_assets.sandbox.messages import Response

MOST_EMAILS = 100
READ = frozenset({"subscriptions:read"})
WRITE_SUPPRESSIONS = frozenset({"profiles:write", "subscriptions:write"})
WRITE_UNSUPPRESSIONS = frozenset({"subscriptions:write"})


def start(call: Call, kind: str) -> Response:
    """Either addresses or one list or segment; a list stands for its members now."""
    data = resource(call.body, kind, attributes=("profiles",), relationships=("list", "segment"))
    related = {name: relation for name, relation in (data.get("relationships") or {}).items() if relation}
    emails: list[str] = []
    if "profiles" in data["attributes"]:
        emails = _emails(data)
    if bool(emails) + len(related) != 1:
        raise refusal(400, "Give either profiles, or one list, or one segment.", pointer="/data")
    if "segment" in related:
        raise refusal(400, "Segment does not exist.", pointer="/data/relationships/segment/data/id")
    list_ids, members = _members(call, related)
    account, switches = call.account, call.account.switches
    started = call.now + switches.job_queued
    total = len(emails) + len(members)
    job = Job(_job_id(call), kind, call.now, started, float("inf"), total, list_ids)
    if call.request.applied:
        job.finished = account.agenda.add(
            started + switches.job_processing, partial(_run, call, job, emails, members), switches.delay_jitter
        )
    account.jobs.append(job)
    document = {"data": render.job(call.base, job, call.query, call.now), "links": {"self": call.address}}
    return answer(202, document, rows=total)


def _run(call: Call, job: Job, emails: list[str], members: list[int], at: float) -> None:
    if job.kind == SUPPRESS:
        suppressions.suppress(call.account, job, emails, members, at)
    else:
        suppressions.unsuppress(call.account, job, emails, members)


def _emails(data: dict[str, Any]) -> list[str]:
    problems = Problems()
    emails = []
    for index, row in enumerate(profile_rows(data, MOST_EMAILS)):
        pointer = f"{PROFILES}/{index}/attributes/email"
        email = row["attributes"].get("email")
        if email is None:
            problems.add("'email' is required.", pointer)
        checked = check_email(email, pointer, problems)
        if checked is not None:
            emails.append(checked)
    problems.settle()
    return emails


def _members(call: Call, related: dict[str, Any]) -> tuple[list[str], list[int]]:
    if "list" not in related:
        return [], []
    target = related["list"].get("data") if isinstance(related["list"], dict) else None
    list_id = known_list(call.account, target, "/data/relationships/list/data")
    found = call.account.find_list(list_id)
    return [list_id], [] if found is None else list(found)


def _job_id(call: Call) -> str:
    return "01GSQPBF74" + "".join(call.account.new_id() for _ in range(3))[:16].upper()


def get_jobs(call: Call, kind: str) -> Response:
    account, query = call.account, call.query

    def wanted(position: int) -> Job | None:
        job = account.jobs[position]
        values = {"status": [job.status(call.now)], "list_id": job.list_ids, "segment_id": job.segment_ids}
        matches = all(any(c.holds(value) for value in values[c.field]) for c in query.conditions)
        return job if job.kind == kind and matches else None

    found, following, previous = paginate(range(len(account.jobs)), wanted, query)
    document = {
        "data": [render.job(call.base, job, query, call.now) for job in found],
        "links": links(call.address, query, following, previous),
    }
    return answer(200, document, rows=len(found))


def get_job(call: Call, kind: str) -> Response:
    for job in call.account.jobs:
        if job.id == call.ids["id"] and job.kind == kind:
            document = {"data": render.job(call.base, job, call.query, call.now), "links": {"self": call.address}}
            return answer(200, document, rows=1)
    raise refusal(404, f"A job with id {call.ids['id']} does not exist.")


def _operations(kind: str, word: str, scopes: frozenset[str]) -> tuple[Operation, ...]:
    path = f"/api/{kind}s"
    fields = frozenset({kind})
    filters = {name: Field(Kind.TEXT, EQUAL) for name in ("status", "list_id", "segment_id")}
    found = QuerySpec(fields=fields, filters=filters, sorts=frozenset({"created"}), paged=True)
    return (
        Operation(
            f"bulk_{word}_profiles", "POST", path, partial(start, kind=kind), scopes, query=QuerySpec(fields=fields)
        ),
        Operation(f"get_bulk_{word}_profiles_jobs", "GET", path, partial(get_jobs, kind=kind), READ, query=found),
        Operation(
            f"get_bulk_{word}_profiles_job",
            "GET",
            f"{path}/{{id}}",
            partial(get_job, kind=kind),
            READ,
            query=QuerySpec(fields=fields),
        ),
    )


OPERATIONS = (
    *_operations(SUPPRESS, "suppress", WRITE_SUPPRESSIONS),
    *_operations(UNSUPPRESS, "unsuppress", WRITE_UNSUPPRESSIONS),
)
