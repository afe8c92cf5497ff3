"""Whether a model answers as well where its prompts are encoded: the same questions, asked both ways and judged."""
