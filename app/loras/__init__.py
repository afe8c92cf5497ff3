"""LoRA adapters as files and names: what they are, whether they can be served, and which version a name means."""
