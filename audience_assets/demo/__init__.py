"""The embedded demo: a shop with 50,000 customers whose lists are kept equal to its segments."""
