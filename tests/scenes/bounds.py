"""Bounds that no machine passes, however slow or busy, where the work grows as its text does."""

LINEAR_SECONDS = 8.0
"""CPU time of a megabyte. What is done in a second here would take minutes where it grew with the square."""
