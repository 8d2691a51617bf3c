"""Klaviyo's operations, one module for each kind of resource."""
