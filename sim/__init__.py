"""The offline twin: upstreams that behave, or misbehave, as they are told."""
