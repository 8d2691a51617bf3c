"""Does it make sense when a campaign is delivered: a time of day, a beginning, and one end at most."""

from __future__ import annotations

from audience_assets.project.campaigns import CampaignSchedule
from audience_assets.project.check_settings import check_clock
from audience_assets.project.places import Place


def check_times(schedule: CampaignSchedule, place: Place) -> None:
    """A campaign's schedule."""
    check_clock(schedule.at, place.at("at"))
    end = schedule.end
    if schedule.type == "one_time":
        for key in ("cadence", "weekday", "end"):
            if place.at(key).written:
                place.at(key).report(
                    "a one_time campaign is delivered once, at `start`", "write type: recurring to deliver it again"
                )
        return
    if schedule.start is None:
        place.report("a recurring campaign needs a `start`", "the first day on which it may be delivered")
    elif end.on is not None and end.on < schedule.start:
        place.at("end", "on").report(f"the campaign would end on {end.on}, before its start on {schedule.start}")
    if end.after is not None and end.on is not None:
        place.at("end").report("an end is a day (`on`) or a number of deliveries (`after`), not both")
