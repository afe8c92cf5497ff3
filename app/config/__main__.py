"""Make the settings' reference anew in the pages named, or print it."""

import sys
from pathlib import Path

from app.config.reference import rewrite, settings_table

if sys.argv[1:]:
    for page in sys.argv[1:]:
        rewrite(Path(page))
else:
    sys.stdout.write(settings_table())
