"""`-S/--set KEY=VALUE`: keys of the spec given on the command line."""

from collections.abc import Sequence

from involbench.spec.assign import assigned, every_path, key_path
from involbench.spec.document import Document, Problem
from involbench.spec.yaml_source import NotYaml, parse_value


def apply_overrides(document: Document, overrides: Sequence[str]) -> list[Problem]:
    """Set each override in turn on the document's value, so that the last one wins.

    Returns:
        The overrides that are not of the form KEY=VALUE, have a value that is not YAML, or set
        something below a value that has no keys.
    """
    return [problem for override in overrides for problem in _apply(document, override)]


def _apply(document: Document, override: str) -> list[Problem]:
    label = f"--set {override}"
    name, equals, text = override.partition("=")
    if not equals or not name.strip():
        return [Problem((), "expected KEY=VALUE, such as training.epochs=2", place=label)]
    try:
        parsed = parse_value(text)
        path = key_path(name)
        for each in every_path(document.value, path):
            document.value = assigned(document.value, each, parsed.value)
            document.assigned.append((each, parsed.value))
            _relabel(document, each, label)
    except (NotYaml, ValueError) as error:
        return [Problem((), str(error), place=label)]
    return [
        Problem((*path, *found.path), found.message, found.at_key, label)
        for found in parsed.problems
    ]


def _relabel(document: Document, path: tuple[str, ...], label: str) -> None:
    """From now on a problem at `path` or below is the override's, not the file's."""
    for places in (document.keys, document.values):
        for below in [known for known in places if known[: len(path)] == path]:
            del places[below]
        places[path] = label
        for length in range(1, len(path)):
            places.setdefault(path[:length], label)
