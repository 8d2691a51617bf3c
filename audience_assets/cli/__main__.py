"""`python -m audience_assets.cli`, where the console script is not on the path."""

from audience_assets.cli import main

main()
