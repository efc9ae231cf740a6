"""The Keras optimizers that a spec may name, with their arguments.

Keras takes a second to import and a wrong argument would only show when training starts, so the
names are kept here; a test holds them against `keras.optimizers`.
"""

from typing import Annotated, Any, Self

from pydantic import Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from involbench.schema_types import StrictModel, problems_below, unknown_key
from involbench.text import describe, suggest

_EVERY = (
    "learning_rate", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "use_ema",
    "ema_momentum", "ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps",
)  # fmt: skip
_ADAM = ("beta_1", "beta_2", "epsilon")
_OWN: dict[str, tuple[str, ...]] = {
    "adadelta": ("rho", "epsilon"),
    "adafactor": ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step"),
    "adagrad": ("initial_accumulator_value", "epsilon"),
    "adam": (*_ADAM, "amsgrad"),
    "adamax": _ADAM,
    "adamw": (*_ADAM, "amsgrad"),
    "ftrl": (
        "learning_rate_power", "initial_accumulator_value", "l1_regularization_strength",
        "l2_regularization_strength", "l2_shrinkage_regularization_strength", "beta",
    ),
    "lamb": _ADAM,
    "lion": ("beta_1", "beta_2"),
    "muon": (
        "adam_beta_1", "adam_beta_2", "adam_weight_decay", "epsilon", "exclude_embeddings",
        "muon_a", "muon_b", "muon_c", "adam_lr_ratio", "momentum", "ns_steps", "nesterov",
        "rms_rate",
    ),
    "nadam": _ADAM,
    "rmsprop": ("rho", "momentum", "epsilon", "centered"),
    "schedulefreeadamw": (*_ADAM, "warmup_steps"),
    "sgd": ("momentum", "nesterov"),
}  # fmt: skip
OPTIMIZERS: dict[str, tuple[str, ...]] = {name: (*_EVERY, *own) for name, own in _OWN.items()}
"""The arguments of each optimizer, by its name in `keras.optimizers` in lower case."""

SWITCHES = frozenset(
    {"amsgrad", "centered", "exclude_embeddings", "nesterov", "relative_step", "use_ema"}
)
WHOLE_NUMBERS = frozenset(
    {"ema_overwrite_frequency", "gradient_accumulation_steps", "ns_steps", "warmup_steps"}
)

OptimizerName = Annotated[str, WithJsonSchema({"type": "string", "enum": list(OPTIMIZERS)})]


def _argument_schema(argument: str) -> dict[str, Any]:
    if argument in SWITCHES:
        return {"type": "boolean"}
    if argument in WHOLE_NUMBERS:
        return {"type": "integer", "minimum": 0}
    return {"type": "number"} | ({"exclusiveMinimum": 0} if argument == "learning_rate" else {})


def _describe_arguments(schema: dict[str, Any]) -> None:
    arguments = sorted({argument for taken in OPTIMIZERS.values() for argument in taken})
    for argument in arguments:
        takers = [name for name, taken in OPTIMIZERS.items() if argument in taken]
        whose = "every optimizer" if argument in _EVERY else ", ".join(takers)
        schema["properties"][argument] = {
            "description": f"Argument of {whose}; default as in Keras.",
            **_argument_schema(argument),
        }
    schema["additionalProperties"] = False


class OptimizerSpec(StrictModel, extra="allow", json_schema_extra=_describe_arguments):
    """A Keras optimizer and its arguments, as `keras.optimizers` spells them."""

    name: OptimizerName = Field("adam", description="The optimizer's class, in lower case.")

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of the optimizer's class."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _known(self) -> Self:
        taken = OPTIMIZERS.get(self.name)
        if taken is None:
            text = f"unknown optimizer {self.name!r}; {suggest(self.name, list(OPTIMIZERS))}"
            raise problems_below([(("name",), text)])
        extra = self.model_extra or {}
        found = (((key,), _fault(key, value, taken)) for key, value in extra.items())
        if wrong := [(path, fault) for path, fault in found if fault]:
            raise problems_below(wrong)
        for key, value in extra.items():  # 1 and 1.0 are the same setting, so the same trial
            extra[key] = float(value) if type(value) is int and key not in WHOLE_NUMBERS else value
        return self


def _fault(key: str, value: Any, taken: tuple[str, ...]) -> str | PydanticCustomError | None:
    if key not in taken:
        return unknown_key(taken)
    kind = type(value)
    if key in SWITCHES:
        return None if kind is bool else f"expected true or false, got {describe(value)}"
    if key in WHOLE_NUMBERS:
        fine = kind is int and value >= 0
        return None if fine else f"expected a whole number of at least 0, got {describe(value)}"
    if kind not in (int, float):
        return f"expected a number, got {describe(value)}"
    if key == "learning_rate" and value <= 0:
        return f"expected a number above 0, got {describe(value)}"
    return None
