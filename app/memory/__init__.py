"""The memory: scenes and what they were made from, found again by their words and their vectors."""
