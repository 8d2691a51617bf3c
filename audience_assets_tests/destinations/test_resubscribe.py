"""Nobody is opted in against an opt-out that we can't prove to be outdated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from audience_assets.destinations.base import Evidence
from audience_assets.destinations.klaviyo.profiles import ChannelConsent, OptOut
from audience_assets.destinations.klaviyo.resubscribe import OWN_OPT_OUT_SPAN, objection

NOW = datetime(2026, 7, 15, 12, tzinfo=UTC)

moments = st.integers(-100_000, 1_000).map(lambda minutes: NOW + timedelta(minutes=minutes))
consents = st.builds(
    ChannelConsent,
    subscribed=st.booleans(),
    opt_outs=st.lists(st.builds(OptOut, st.none() | moments), max_size=3),
)
evidences = st.builds(
    Evidence,
    status=st.sampled_from([None, "opted_in", "opted_out"]),
    at=st.none() | moments,
    own_opt_out_at=st.none() | moments,
)


def allowed(held: ChannelConsent, evidence: Evidence, policy: str) -> bool:
    return objection(held, evidence, policy=policy, channel="email", address="ann@example.com", now=NOW) is None


@given(consents, evidences)
def test_if_newer_consent_needs_proof_for_every_opt_out(held: ChannelConsent, evidence: Evidence) -> None:
    def proven(at: datetime | None) -> bool:
        newer = evidence.status == "opted_in" and evidence.at is not None and evidence.at <= NOW
        return at is not None and (
            (newer and evidence.at is not None and evidence.at > at)
            or (evidence.own_opt_out_at is not None and at - evidence.own_opt_out_at <= OWN_OPT_OUT_SPAN)
        )

    expected = evidence.status != "opted_out" and all(proven(opt_out.at) for opt_out in held.opt_outs)
    assert allowed(held, evidence, "if_newer_consent") is expected


@given(consents, evidences)
def test_policies_are_ordered(held: ChannelConsent, evidence: Evidence) -> None:
    never, newer, always = (allowed(held, evidence, p) for p in ("never", "if_newer_consent", "always"))
    assert never <= newer <= always
    assert always is (evidence.status != "opted_out")
    if never:
        assert not held.opt_outs
