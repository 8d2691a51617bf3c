"""The operations, a file a family."""
