"""From the engine's errors to what Dagster does about them: try again later, or stop and tell.

Of a database's own words only the first line reaches the event log: later ones may quote rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from sqlalchemy.exc import DBAPIError, OperationalError

from audience_assets.destinations.base import ListMissing, Throttled, Unavailable
from audience_assets.errors import AudienceError
from audience_assets.sync import GuardTripped, LeaseLost, SyncBusy

# What may be different in a minute.
PASSING = (Unavailable, SyncBusy, LeaseLost)
MOST_RETRIES = 3
DELIVERY_RETRIES = dg.RetryPolicy(
    max_retries=MOST_RETRIES, delay=30, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)


@contextmanager
def stopped(what: str) -> Iterator[None]:
    """Turn errors into Dagster's, GuardTripped excepted, which is reported as a check first.

    Retried: the vendor or the warehouse is not there, or the list is busy.
    """
    try:
        yield
    except GuardTripped:
        raise
    except Throttled as error:
        raise dg.RetryRequested(max_retries=MOST_RETRIES, seconds_to_wait=error.retry_after) from dg.Failure(str(error))
    except PASSING as error:
        raise dg.Failure(str(error)) from None
    except ListMissing as error:
        hint = (
            "It was deleted, or the key is another account's now. If neither is a mistake, make the list anew: "
            "materialize the asset with the config `recreate: true`."
        )
        raise dg.Failure(f"{what}: {error} {hint}", allow_retries=False) from None
    except AudienceError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    except DBAPIError as error:
        lines = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
        raise dg.Failure(
            f"{what}: the warehouse refused: {lines[0]}", allow_retries=isinstance(error, OperationalError)
        ) from None
