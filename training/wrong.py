"""What the forge says where something cannot be used."""

import errno
from pathlib import Path


class Wrong(ValueError):
    """What was given cannot be used; the text names the file, the line or the setting, and says what would be right."""


def unwritable(path: Path, fault: OSError) -> Wrong:
    """A folder or file that cannot be written: no room is told apart, since then the same command goes on later."""
    if fault.errno == errno.ENOSPC:
        return Wrong(
            f"{path}: no room left on the disk; make some and run the same command again, it goes on where it stopped"
        )
    return Wrong(f"{path} cannot be written: {fault.strerror or fault}")
