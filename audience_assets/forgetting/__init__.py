"""Erasing a person from our state, and proving it."""

from audience_assets.forgetting.erase import Erasure, Listed, StillListed, forget
from audience_assets.forgetting.proof import Proof, proofs_of
from audience_assets.forgetting.subject import Subject, read_subject

__all__ = ["Erasure", "Listed", "Proof", "StillListed", "Subject", "forget", "proofs_of", "read_subject"]
