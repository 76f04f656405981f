"""The page of a run: its clusters at every cut of a tree, with previews, as files that any browser opens."""

from unlabelled.page.build import PagePlan, write_page
from unlabelled.page.cluster_tree import FineTree, fine_tree
from unlabelled.page.samples import Samples, read_features, read_samples

__all__ = [
    "FineTree",
    "PagePlan",
    "Samples",
    "fine_tree",
    "read_features",
    "read_samples",
    "write_page",
]
