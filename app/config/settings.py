"""What every section of the file is."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A section: frozen, with no unknown member, and with no value taken for one of another type."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False
    )
