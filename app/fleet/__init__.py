"""Which replica answers, and which adapter is where: decisions alone, made of values. What acts on them is in `adapters`."""
