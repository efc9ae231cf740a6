"""`-S/--set KEY=VALUE`: keys of the spec given on the command line."""

from collections.abc import Sequence

from involbench.errors import SpecError
from involbench.spec.assign import assigned, key_path
from involbench.spec.document import Document
from involbench.spec.yaml_source import NotYaml, parse


def apply_overrides(document: Document, overrides: Sequence[str]) -> None:
    """Set each override in turn on the document's value, so that the last one wins.

    Raises:
        SpecError: Some are not of the form KEY=VALUE, have a value that is not YAML, or set
            something below a value that has no keys; the message lists all of them.
    """
    wrong: list[str] = []
    for override in overrides:
        try:
            _apply(document, override)
        except SpecError as error:
            wrong.append(str(error))
    if wrong:
        raise SpecError("\n".join(wrong))


def _apply(document: Document, override: str) -> None:
    label = f"--set {override}"
    name, equals, text = override.partition("=")
    if not equals or not name.strip():
        raise SpecError(f"{label}: expected KEY=VALUE, such as training.epochs=2")
    try:
        parsed = parse(text)
        path = key_path(name)
        document.value = assigned(document.value, path, parsed.value)
    except (NotYaml, ValueError) as error:
        raise SpecError(f"{label}: {error}") from None
    _relabel(document, path, label)
    if parsed.problems:
        raise SpecError("\n".join(f"{label}: {problem.message}" for problem in parsed.problems))


def _relabel(document: Document, path: tuple[str, ...], label: str) -> None:
    """From now on a problem at `path` or below is the override's, not the file's."""
    for places in (document.keys, document.values):
        for below in [known for known in places if known[: len(path)] == path]:
            del places[below]
        places[path] = label
        for length in range(1, len(path)):
            places.setdefault(path[:length], label)
