"""The upstream of the default configuration: it answers in this process, without a key, a GPU or a download."""

from adapters.demo.upstream import Demo

__all__ = ["Demo"]
