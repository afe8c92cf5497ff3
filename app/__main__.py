"""`python -m app` is `hyperbridge`."""

from app.cli import main

main()
