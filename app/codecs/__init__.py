"""Codecs: what a request is turned into on the way in, and its answer on the way out."""
