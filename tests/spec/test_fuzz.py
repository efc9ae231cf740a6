"""Whatever a file says, it is a valid spec or gets a `SpecError`."""

from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from involbench.errors import SpecError
from involbench.spec.load import expand, load_spec
from tests.effort import examples
from tests.spec.helpers import GOOD

RICH = GOOD + (
    "  optimizer: {name: sgd, learning_rate: 1e-2}\nseeds: [1, 2]\nbaseline: inn\n"
    "sweep:\n  models.inn.kernel_size: [3, 5]\n  data.train_size: [100]\n"
    "claims:\n- {says: a, source: b, metric: test_loss, greater: inn, lesser: cnn, "
    "by: {ratio: 2}, at: {data.train_size: 100}}\n"
)
WORDS = sorted(
    {*RICH.replace(":", " ").split(), "null", "-1", "0", ".nan", "&a", "*a", "!!set", "a/b", "''"}
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
) | st.sampled_from(WORDS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner),
    max_leaves=6,
)


def survives(path: Path, content: bytes, overrides: tuple[str, ...] = ()) -> None:
    path.write_bytes(content)
    try:
        loaded = load_spec(path, overrides)
    except SpecError as error:
        assert str(error)
        assert "Input should" not in str(error)
    else:
        assert all(trial.run_id("0") for trial in expand(loaded))


def keys_below(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else []
    return [path, *(deep for key, below in items for deep in keys_below(below, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    return {**value, path[0]: changed(value[path[0]], path[1:], new)}


# By `make test-all`, over 2,000 mutated specs in all.
FAST = settings(
    max_examples=examples(200, 700),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@FAST
@given(data=st.data())
def test_any_value_anywhere(tmp_path: Path, data: st.DataObject) -> None:
    spec = yaml.safe_load(RICH)
    path = data.draw(st.sampled_from(keys_below(spec)))
    mutated = changed(spec, path, data.draw(VALUES))
    survives(tmp_path / "x.yaml", yaml.safe_dump(mutated, sort_keys=False).encode())


@FAST
@given(
    start=st.integers(0, len(RICH)),
    length=st.integers(0, 40),
    new=st.sampled_from(WORDS) | st.text(max_size=6) | st.sampled_from(["\n", "  ", ": ", "- "]),
)
def test_any_text_in_place_of_any_piece(tmp_path: Path, start: int, length: int, new: str) -> None:
    text = RICH[:start] + new + RICH[start + length :]
    survives(tmp_path / "x.yaml", text.encode(errors="surrogatepass"))


@FAST
@given(key=st.sampled_from(WORDS) | st.text(max_size=8), value=st.text(max_size=12))
def test_any_override(tmp_path: Path, key: str, value: str) -> None:
    survives(tmp_path / "x.yaml", RICH.encode(), (f"{key}={value}", f"training.{key}={value}"))
