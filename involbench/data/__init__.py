"""Dataset name -> Dataset: uint8 images, labels, class names and a fingerprint."""

from involbench.data.dataset import Dataset, make_dataset
from involbench.data.registry import describe_dataset, load_dataset

__all__ = ["Dataset", "describe_dataset", "load_dataset", "make_dataset"]
