"""The section `data` of a spec: which images, and what is done to them.

Datasets are registered functions. The keys that several of them take stand here; a dataset with
keys of its own has a subclass.
"""

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Final, Literal

from pydantic import (
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from involbench.plugins import as_recorded, may_be_recorded, source_of
from involbench.registry import PREPARATION, DatasetLoader, datasets
from involbench.schema_types import (
    Fraction,
    ImageSize,
    PositiveInt,
    Resize,
    StrictModel,
    expected,
    problem,
)
from involbench.text import describe, suggest

EARLIER_VALIDATION: Final = "test"
"""What `data.validation` was without the key in earlier versions, and so in their results."""
_TAKEN_BY_SOME = ("path", "image_size", "resize", "test_fraction")
"""Keys for the datasets that have an argument of that name."""


def _with_datasets(schema: dict[str, Any]) -> None:
    """Add what the registered datasets have, those registered later too."""
    known, shared = datasets(), DataSpec.model_fields
    schema["properties"]["dataset"]["enum"] = list(known)
    for loader in known.values():
        own = create_model(loader.name, __base__=StrictModel, **loader.fields)
        properties = own.model_json_schema().get("properties", {})
        for key, rules in properties.items():
            if key not in shared:
                schema["properties"].setdefault(key, rules)


class DataSpec(StrictModel, json_schema_extra=_with_datasets):
    """Which images, how many of them, and what is done to them on the way to the model."""

    dataset: str = Field(description="The source of the images.")
    path: str | None = Field(
        None,
        min_length=1,
        validate_default=True,
        description="Where the images are; for folder, npz, table. From the current folder.",
    )
    image_size: ImageSize = Field(
        None, description="Resize to this many pixels, a side or [height, width]; folder, digits."
    )
    resize: Resize = Field(
        "stretch",
        description="How to resize if the aspect ratio differs: change the shape, cut off, or add "
        "black.",
    )
    test_fraction: Fraction = Field(
        0.2, description="Share of the images held out for testing where a folder has no test/."
    )
    train_size: PositiveInt | None = Field(
        None, description="Train on a class-balanced subset of this many images; default all."
    )
    validation: Annotated[
        Literal["test"] | Fraction, expected("'test' or a fraction between 0 and 1, such as 0.1")
    ] = Field(
        0.1,
        description="The share of the training images that is held out for validation; or 'test', "
        "to repeat a source that validates on the test images, as the keras.io example does.",
    )
    normalization: Literal["unit", "standardize"] = Field(
        "unit", description="unit: x/255; standardize: zero mean and unit variance a channel."
    )
    augmentation: tuple[Literal["flip", "crop"], ...] = Field(
        (), strict=False, description="Random changes to the training images."
    )

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_dataset(cls, given: Any, handler: Callable[[Any], Any]) -> Any:
        """Datasets with keys of their own have a subclass."""
        name = given.get("dataset") if isinstance(given, dict) else None
        loader = datasets().get(name) if isinstance(name, str) else None
        kind = cls if loader is None or cls is not DataSpec else _data_spec_of(loader)
        try:
            return handler(given) if kind is cls else kind.model_validate(given)
        except ValidationError:
            if cls is DataSpec and may_be_recorded(name, loader):
                return RecordedDataSpec.model_validate(given)
            raise

    @field_validator("dataset", mode="before")
    @classmethod
    def _registered(cls, value: Any) -> Any:
        known = list(datasets())
        if not isinstance(value, str):
            raise problem(f"expected one of {', '.join(known)}, got {describe(value)}")
        if value not in known:
            raise problem(f"unknown dataset {value!r}; {suggest(value, known)}")
        return value

    @field_validator(*_TAKEN_BY_SOME)
    @classmethod
    def _taken_by_the_dataset(cls, value: Any, info: ValidationInfo) -> Any:
        name, key = info.data.get("dataset"), info.field_name or ""
        if name is None:  # It is wrong, and was reported.
            return value
        given = value != cls.model_fields[key].default
        _, field = datasets()[name].fields.get(key, (None, None))
        if given and field is None:
            raise problem(f"{only_for_datasets(key)}, and the dataset is '{name}'")
        if field and field.is_required() and not given:
            needed = (field.description or "this key").rstrip(".")
            raise problem(f"missing; the dataset '{name}' needs {needed[0].lower()}{needed[1:]}")
        return value

    @field_validator("resize")
    @classmethod
    def _resize_to_a_size(cls, value: str, info: ValidationInfo) -> str:
        if value != "stretch" and info.data.get("image_size", "wrong") is None:
            raise problem("needs data.image_size, the size to resize to")
        return value

    @property
    def validated_on(self) -> Literal["validation", "test"]:
        """Which images the model is evaluated on after each epoch."""
        return "test" if self.validation == "test" else "validation"

    @property
    def source(self) -> dict[str, Any]:
        """The keys that decide which images are loaded."""
        return self.model_dump(exclude=set(PREPARATION))

    @property
    def settings(self) -> dict[str, Any]:
        """What of it decides the result, for JSON: without defaults, but for keys of a plugin's.

        The fingerprint of the images stands for `path`. The validation is left out where it is that
        of earlier versions, so that the ids of their runs stay.
        """
        given: dict[str, Any] = {"mode": "json", "exclude": {"path"}}
        known, found = datasets().get(self.dataset), self.model_dump(**given, exclude_defaults=True)
        found["validation"] = self.validation
        if self.validation == EARLIER_VALIDATION:
            del found["validation"]
        if known is None or source_of(known):
            every = self.model_dump(**given)
            found |= {key: every[key] for key in every.keys() - DataSpec.model_fields}
        return found

    def __reduce__(self) -> Any:
        """Pickled by its values: the class of a dataset with own keys is made at run time."""
        return _restored, (self.model_dump(exclude_unset=True),)


class RecordedDataSpec(DataSpec):
    """Of a plugin's dataset that is not imported, or has changed: as it stands in a record."""

    model_config = ConfigDict(extra="allow")

    @field_validator("dataset", mode="before")
    @classmethod
    def _registered(cls, value: Any) -> Any:
        return value

    @field_validator(*_TAKEN_BY_SOME)
    @classmethod
    def _taken_by_the_dataset(cls, value: Any, info: ValidationInfo) -> Any:
        return value


def _restored(value: dict[str, Any]) -> DataSpec:
    with as_recorded():
        return DataSpec.model_validate(value)


def only_for_datasets(key: str) -> str | None:
    """Which datasets have a key, if any has."""
    takers = [name for name, loader in datasets().items() if key in loader.fields]
    if len(takers) < 2:
        return f"only for the dataset {takers[0]}" if takers else None
    return f"only for the datasets {', '.join(takers[:-1])} and {takers[-1]}"


@cache
def _data_spec_of(loader: DatasetLoader) -> type[DataSpec]:
    """The data section of a dataset: with its own keys, if it has any."""
    own = {key: field for key, field in loader.fields.items() if key not in DataSpec.model_fields}
    return create_model("DataSpec", __base__=DataSpec, **own) if own else DataSpec
