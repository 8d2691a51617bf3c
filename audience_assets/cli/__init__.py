"""`audience-assets`, the command line."""

from audience_assets.cli.app import main

__all__ = ["main"]
