"""Local twins of the vendors over real HTTP, with their limits and, on demand, their faults."""

from audience_assets.sandbox.clock import Clock, RealClock, VirtualClock
from audience_assets.sandbox.faults import Action, Fault
from audience_assets.sandbox.log import LoggedRequest
from audience_assets.sandbox.server import Sandbox

__all__ = ["Action", "Clock", "Fault", "LoggedRequest", "RealClock", "Sandbox", "VirtualClock"]
