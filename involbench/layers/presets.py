"""The two published layers, as presets of `Involution2D`."""

from typing import TYPE_CHECKING, Any, Self


class Published:
    """Presets, for a class whose first arguments are `kernel_size` and `strides`."""

    if TYPE_CHECKING:

        def __init__(self, kernel_size: int, strides: int, **kwargs: Any) -> None: ...

    @classmethod
    def official(cls, kernel_size: int = 7, strides: int = 1, **kwargs: Any) -> Self:
        """The layer of the authors' PyTorch code: 16 channels a group, ratio 4."""
        published: dict[str, Any] = {
            "group_channels": 16,
            "reduction_ratio": 4,
            "group_layout": "contiguous",
            "padding": "same",
            "momentum": 0.9,
            "epsilon": 1e-5,
            "use_reduce_bias": False,
        }
        return cls(kernel_size, strides, **(published | kwargs))

    @classmethod
    def keras_io(
        cls,
        channel: int,
        group_number: int = 1,
        kernel_size: int = 3,
        stride: int = 1,
        reduction_ratio: int = 2,
        **kwargs: Any,
    ) -> Self:
        """The layer of the keras.io example, by that layer's own argument names.

        `channel` only sets the width of the first convolution, `channel // reduction_ratio`,
        whatever the channels of the input.
        """
        published: dict[str, Any] = {
            "groups": group_number,
            "group_layout": "interleaved",
            "reduce_filters": channel // reduction_ratio,
            "reduction_ratio": reduction_ratio,
            "padding": "keras_io",
            "use_reduce_bias": True,
        }
        return cls(kernel_size, stride, **(published | kwargs))
