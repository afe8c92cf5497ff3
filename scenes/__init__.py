"""The scene language: the same in fewer tokens. Pure: no HTTP, no event loop, no files, no torch."""
