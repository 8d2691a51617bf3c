"""What changes in a list and how it is delivered."""

from audience_assets.sync.delivered import CampaignDelivery, ListDelivery, campaign_delivery
from audience_assets.sync.engine import plan_sync, run_sync
from audience_assets.sync.guards import GuardTripped
from audience_assets.sync.history import latest_reconciliations, latest_syncs, open_rejections, rejected_rows
from audience_assets.sync.kept import KeysChanged, ListMoved, ListNote, list_notes, present_lists
from audience_assets.sync.lease import LeaseLost, SyncBusy
from audience_assets.sync.reconcile import NeverDelivered, Reconciliation, reconcile
from audience_assets.sync.report import Plan, PlanCounts, Progress, RejectionCount, SyncReport

__all__ = [
    "CampaignDelivery",
    "GuardTripped",
    "KeysChanged",
    "LeaseLost",
    "ListDelivery",
    "ListMoved",
    "ListNote",
    "NeverDelivered",
    "Plan",
    "PlanCounts",
    "Progress",
    "Reconciliation",
    "RejectionCount",
    "SyncBusy",
    "SyncReport",
    "campaign_delivery",
    "latest_reconciliations",
    "latest_syncs",
    "list_notes",
    "open_rejections",
    "plan_sync",
    "present_lists",
    "reconcile",
    "rejected_rows",
    "run_sync",
]
