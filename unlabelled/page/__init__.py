"""The page of a run: its clusters at every cut of a tree, with previews, as files that any browser opens."""

from unlabelled.page.build import Additions, PagePlan, write_page
from unlabelled.page.cluster_tree import FineTree, fine_tree
from unlabelled.page.comparison import OtherRun, other_run
from unlabelled.page.queries import Queries
from unlabelled.page.samples import Samples, read_features, read_samples

__all__ = [
    "Additions",
    "FineTree",
    "OtherRun",
    "PagePlan",
    "Queries",
    "Samples",
    "fine_tree",
    "other_run",
    "read_features",
    "read_samples",
    "write_page",
]
