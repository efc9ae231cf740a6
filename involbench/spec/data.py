"""The `data` of a spec: which images."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from involbench.spec.section import Fraction, PositiveInt, Section, expected, problem

Dataset = Literal["cifar10", "cifar100", "digits", "folder", "npz"]
_TAKEN_BY = {
    "image_size": ("folder", "digits"),
    "resize": ("folder", "digits"),
    "test_fraction": ("folder",),
}
"""Keys that are for some datasets alone."""

# YAML has lists where these classes have tuples: `strict=False` lets a list in, and only that,
# for the items stay as strict as everything else.
_Size = Annotated[tuple[PositiveInt, PositiveInt], Field(strict=False)]


class DataSpec(Section):
    """Which images, how many of them, and what is done to them on the way to the model."""

    dataset: Dataset = Field(description="The source of the images.")
    path: str | None = Field(
        None,
        min_length=1,
        validate_default=True,
        description="Where the images are; for folder and npz. Relative to the current folder.",
    )
    image_size: Annotated[
        PositiveInt | _Size | None, expected("a number of pixels or [height, width]")
    ] = Field(
        None, description="Resize to this many pixels, a side or [height, width]; folder, digits."
    )
    resize: Literal["stretch", "crop", "pad"] = Field(
        "stretch",
        description="How, where the aspect ratio differs: change the shape, cut off, or add black.",
    )
    test_fraction: Fraction = Field(
        0.2, description="Share of the images held out for testing where a folder has no test/."
    )
    train_size: PositiveInt | None = Field(
        None, description="Train on a class-balanced subset of this many images; default all."
    )
    validation: Annotated[
        Literal["test"] | Fraction, expected("'test' or a fraction between 0 and 1, such as 0.1")
    ] = Field("test", description="'test', as the keras.io example does, or a fraction of train.")
    normalization: Literal["unit", "standardize"] = Field(
        "unit", description="unit: x/255; standardize: zero mean and unit variance a channel."
    )
    augmentation: tuple[Literal["flip", "crop"], ...] = Field(
        (), strict=False, description="Random changes to the training images."
    )

    @field_validator("path")
    @classmethod
    def _path_where_needed(cls, value: str | None, info: ValidationInfo) -> str | None:
        dataset = info.data.get("dataset")
        if value is None and dataset in ("folder", "npz"):
            what = "images' folder" if dataset == "folder" else ".npz file"
            raise problem(f"missing; the dataset '{dataset}' needs the path of the {what}")
        if value is not None and dataset not in ("folder", "npz", None):
            raise problem(f"only for the datasets folder and npz, and the dataset is '{dataset}'")
        return value

    @field_validator(*_TAKEN_BY)
    @classmethod
    def _only_for_some(cls, value: Any, info: ValidationInfo) -> Any:
        dataset, key = info.data.get("dataset"), info.field_name or ""
        takers = _TAKEN_BY[key]
        if value != cls.model_fields[key].default and dataset not in (*takers, None):
            whose = f"dataset{'s' if len(takers) > 1 else ''} {' and '.join(takers)}"
            raise problem(f"only for the {whose}, and the dataset is '{dataset}'")
        return value

    @field_validator("resize")
    @classmethod
    def _resize_to_a_size(cls, value: str, info: ValidationInfo) -> str:
        if value != "stretch" and info.data.get("image_size", "wrong") is None:
            raise problem("needs data.image_size, the size to resize to")
        return value
