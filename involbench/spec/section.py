"""What every part of a spec has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
PositiveInt = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    """Strict about unknown keys, immutable, and no silent conversion (`"20"` is no number)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
