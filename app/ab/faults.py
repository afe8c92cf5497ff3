"""Why a comparison cannot be made."""


class NotAsked(Exception):
    """What was wanted cannot be asked; the message says why, and never holds what was said."""


class SuiteFault(NotAsked):
    """Questions that cannot be asked; the message names the file and the line."""


class KeptFault(NotAsked):
    """A file of replies that cannot be gone on with; the message names it."""


class Refused(NotAsked):
    """The gateway lets nothing of this through, or nothing comes back."""
