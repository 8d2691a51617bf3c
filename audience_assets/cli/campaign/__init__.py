"""The commands of `audience-assets campaign`."""
