"""The base of the values at novum's borders."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Immutable, and strict about unknown keys."""

    # "constants" keeps a NaN a NaN, so that canonical JSON refuses it; the default writes null.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")
