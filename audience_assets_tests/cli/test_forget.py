"""`forget`, from the list a person is in to the proof that nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from audience_assets.runtime import Runtime
from audience_assets.sync.lease import hold_lease
from audience_assets_tests.cli.conftest import Run, Vendor, addresses, answer
from audience_assets_tests.forgetting.memory import remembers


@contextmanager
def opened(project: Path) -> Iterator[Runtime]:
    with Runtime.open(project) as runtime:
        yield runtime


@pytest.fixture
def member(run: Run, vendor: Vendor) -> str:
    """Somebody in the newsletter's list."""
    assert run("sync", "newsletter").exit_code == 0
    vendor.account.finish_jobs()
    profile = next(iter(vendor.account.members(vendor.account.list_named("Newsletter").id)))
    assert profile.email is not None
    return profile.email


def delete_customer(project: Path, email: str) -> None:
    """The warehouse forgets them first."""
    customers = sa.table("customers", sa.column("email"))
    with opened(project) as runtime, runtime.engine.begin() as connection:
        theirs = sa.func.lower(sa.func.trim(customers.c.email)) == email
        assert connection.execute(sa.delete(customers).where(theirs)).rowcount == 1


def test_from_the_warehouse_to_the_list_to_our_state(run: Run, vendor: Vendor, project: Path, member: str) -> None:
    refused = run("forget", "--email", member, "--yes")
    assert refused.exit_code == 3
    assert "audience-assets sync newsletter" in refused.stderr
    assert "the next sync would add them again" in refused.stdout

    delete_customer(project, member)
    assert run("sync", "newsletter").exit_code == 0
    counted = run("forget", "--email", member)
    assert counted.exit_code == 0, counted.output
    assert "say --yes" in counted.stdout
    done = run("forget", "--email", member.upper(), "--yes", "--json")
    assert done.exit_code == 0, done.output
    found = answer(done)
    assert found["erased"]
    assert (found["listed"], found["users"], found["segments"]) == ([], {}, [])
    assert found["rows"] == {"segment_history": 1, "consent_log": 2}
    with opened(project) as runtime:
        assert remembers(runtime, member) == set()
    again = run("forget", "--email", member, "--yes", "--proof")
    assert again.exit_code == 0
    assert "holds nothing of this person" in again.stdout
    assert "3 rows" in again.stdout
    assert not addresses(refused.output + counted.output + done.output + again.output)


def test_erased_while_listed_says_who_must_act(run: Run, vendor: Vendor, project: Path, member: str) -> None:
    done = run("forget", "--email", member, "--yes", "--even-if-listed")
    assert done.exit_code == 0, done.output
    assert "Still in the list of newsletter" in done.stdout
    assert "take them off there but you" in done.stdout
    assert "Still in model customers (1 row) and in segment newsletter" in done.stdout


def test_only_counting_tells_of_the_list_too(run: Run, vendor: Vendor, project: Path, member: str) -> None:
    counted = run("forget", "--email", member, "--json")
    assert counted.exit_code == 3
    assert [each["activation"] for each in answer(counted)["listed"]] == ["newsletter"]
    with opened(project) as runtime:
        assert remembers(runtime, member)


def test_a_list_that_is_being_delivered_makes_it_wait(run: Run, vendor: Vendor, project: Path, member: str) -> None:
    with opened(project) as runtime, hold_lease(runtime.engine, runtime.state.destination_list, "newsletter"):
        result = run("forget", "--email", member, "--yes", "--even-if-listed")
    assert result.exit_code == 1
    assert "is running" in result.stderr


def test_who_is_unknown_is_said_and_no_mistake(run: Run) -> None:
    result = run("forget", "--email", "nobody@nowhere.example.org", "--yes", "--proof")
    assert result.exit_code == 0, result.output
    assert "holds nothing" in result.stdout
    assert "There is no proof" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--email", "a@b.com", "--user", "1"),
        ("--user", "one"),
        ("--phone", "0612345678"),
        ("--email", "a@b.com", "--model", "customers"),
        ("--user", "1", "--model", "orders"),
    ],
)
def test_an_unclear_request_is_a_mistake(run: Run, arguments: tuple[str, ...]) -> None:
    result = run("forget", *arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
