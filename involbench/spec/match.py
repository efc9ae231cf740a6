"""A budget: a model is made as wide as another one's size asks for."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from involbench.spec.section import Name, Section, problem

_ONE = {"minProperties": 1, "maxProperties": 1}


class Match(Section, json_schema_extra=_ONE):
    """What the model has as much of as another model of the spec."""

    parameters: Annotated[Name, Field(description="A model, for its trainable parameters.")] = ""
    macs: Annotated[Name, Field(description="A model, for its multiply-accumulates.")] = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise problem("expected one key, parameters or macs, with the name of a model")
        return self

    @property
    def model(self) -> str:
        """The name of the other model."""
        return self.parameters or self.macs

    @property
    def what(self) -> str:
        """`parameters` or `macs`."""
        return "parameters" if self.parameters else "macs"


def match_fault(name: str, matches: dict[str, Any]) -> str | None:
    """What is wrong with a model's budget.

    Args:
        name: The model's.
        matches: Of each model of the spec, its `Match` or None.
    """
    match = matches[name]
    if match is None:
        return None
    other = match.model
    if other == name:
        return "a model cannot match itself"
    if other not in matches:
        return f"{other!r} is not one of the models"
    return f"{other!r} is matched to another model itself" if matches[other] else None
