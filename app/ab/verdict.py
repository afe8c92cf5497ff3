"""What a comparison can end with."""

from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["proved", "not proved", "worse"]
"""Not worse by as much as the margin; neither is shown; right less often, beyond chance."""
