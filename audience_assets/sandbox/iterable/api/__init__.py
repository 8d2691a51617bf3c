"""The operations, by the part of Iterable that they belong to."""
