"""Segments as SQL: the conditions that people declare become one statement each, run in the warehouse."""

from audience_assets.audiences import chance, comparisons, consent, membership, received, related

# Each registers the compilers of its kinds of condition. Whatever of this package a process uses, all are there.
KINDS = (chance, comparisons, consent, membership, received, related)
