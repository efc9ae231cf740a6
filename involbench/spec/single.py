"""One network named on the command line -> a trial of it."""

from typing import Any

from pydantic import ValidationError

from involbench.errors import UsageError
from involbench.spec.architectures import ARCHITECTURES
from involbench.spec.explain import problems_of
from involbench.spec.schema import ExperimentSpec
from involbench.spec.trial import Trial
from involbench.spec.wording import nearest
from involbench.spec.yaml_source import NotYaml, parse


def single_trial(text: str) -> tuple[str, Trial]:
    """A network for 32x32 colour images of ten classes, and what to call it.

    Args:
        text: An architecture's name, or what a spec has below a model's name:
            `{architecture: rednet, depth: 26}`.

    Raises:
        UsageError: It is neither.
    """
    given = _mapping(text) if text.lstrip().startswith("{") else {"architecture": text}
    values = {"name": "bench", "data": {"dataset": "digits"}, "models": {"model": given}}
    try:
        spec = ExperimentSpec.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(problem.message for problem in problems_of(error))
        raise UsageError(f"{text}: {problems}") from None
    trial = Trial(
        experiment=spec.name,
        model="model",
        architecture=spec.models["model"],
        data=spec.data,
        training=spec.training,
        seed=0,
    )
    first = given["architecture"]
    rest = (_short(value) for key, value in given.items() if key != "architecture")
    return " ".join([first, *rest]), trial


def is_architecture(text: str) -> bool:
    """Whether it is what `single_trial` takes."""
    return text.lstrip().startswith("{") or text in ARCHITECTURES


def near_architecture(text: str) -> str | None:
    """The architecture whose name is nearest to a text, if one is near."""
    return nearest(text, ARCHITECTURES)


def _short(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)


def _mapping(text: str) -> dict[str, Any]:
    try:
        value = parse(text).value
    except NotYaml as error:
        raise UsageError(f"{text}: no YAML: {error}") from None
    if not isinstance(value, dict) or "architecture" not in value:
        raise UsageError(f"{text}: expected a mapping such as {{architecture: rednet, depth: 26}}")
    return value
