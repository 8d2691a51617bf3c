"""Benchmarks: each prints its own table. Numbers in the docs come from here."""
