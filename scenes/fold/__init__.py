"""Forms: ways to say a block of data in fewer tokens, with every value as it was."""
