"""The embedded demo: a shop with 50,000 customers whose lists at every vendor are kept equal to its segments."""
