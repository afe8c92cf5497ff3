"""A GGUF model in the gateway's own process, run by llama.cpp through the `xllamacpp` wheel."""

from adapters.embedded.upstream import Embedded

__all__ = ["Embedded"]
