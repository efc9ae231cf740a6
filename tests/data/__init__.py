"""Tests of involbench.data: loaders, cache, subsets and augmentation."""
