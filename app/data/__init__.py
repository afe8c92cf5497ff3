"""Facts that change without the code: what others' models cost."""
