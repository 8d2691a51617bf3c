"""Processes for tests: forked from a server that has imported what they run, so that one starts in milliseconds."""

from __future__ import annotations

import multiprocessing

PROCESSES = multiprocessing.get_context("forkserver")
# There is one such server in a test process, whoever asks for it first.
PROCESSES.set_forkserver_preload(
    ["audience_assets_tests.sync.killed", "audience_assets_tests.destinations.reserving"],
)
