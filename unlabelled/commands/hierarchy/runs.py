"""Run a method: its tree, time and peak memory, or the reason of its failure."""

from __future__ import annotations

import gc
import logging
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from unlabelled.hierarchy.base import HierarchyMethod
from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.linkage import Linkage
from unlabelled.hierarchy.local_moves import LocalSearch
from unlabelled.hierarchy.local_search_tree import LocalSearchTree
from unlabelled.hierarchy.neighbour_tree import NeighbourTree
from unlabelled.hierarchy.post_clustering import HypHC, PostClustering
from unlabelled.hierarchy.tree import Tree
from unlabelled.hierarchy.ufit import UFit

logger = logging.getLogger(__name__)
Output = TypeVar("Output")
Factories = dict[str, Callable[[], HierarchyMethod]]
SEARCH_SECONDS = 120.0
"""Time limit of local moves on all samples, in seconds."""
_LINKAGES: Factories = {
    "single": lambda: Linkage("single"),
    "complete": lambda: Linkage("complete"),
    "average": lambda: Linkage("average"),
    "ward": lambda: Linkage("ward"),
}
METHODS: Factories = {
    **_LINKAGES,
    "ward-by-size": lambda: Linkage("ward", by_size=True),
    "ufit": UFit,
    "hyphc": HypHC,
    "shhc-published": PostClustering,
    "shhc": LocalSearchTree,
    "neighbours": lambda: NeighbourTree(Linkage("average")),
}
SAMPLE_METHODS: Factories = {
    **_LINKAGES,
    "hyphc": HypHC,
    "shhc": lambda: LocalSearchTree(Linkage("average"), _short_search()),
    "neighbours": lambda: NeighbourTree(Linkage("average"), search=_short_search()),
}
"""Methods that also run on all samples if there are few; ``shhc`` starts from the trees of linkages only."""


def _short_search() -> LocalSearch:
    return LocalSearch(random_starts=0, num_descents=1, annealing_sweeps=0, time_limit=SEARCH_SECONDS)


@dataclass(eq=False)
class Run:
    """The result of one run of a method.

    Attributes:
        method: The name of the method.
        on: ``leaves``, or ``samples`` if the tree is over all samples.
        tree: The tree; None: the method failed.
        seconds: The duration of the fit.
        peak_gib: The peak memory of the process during the fit in GiB.
        error: The reason of a failure.
        costs: The Dasgupta costs, ``leaves_1x`` over the leaves and ``samples_1x`` over all samples.
        agreement: The mean agreement of the method's trees of halves of the samples with the other halves;
            None: not computed.
        scores: The agreement with labels, by name.
    """

    method: str
    on: str
    tree: Tree | None = None
    seconds: float = 0.0
    peak_gib: float = 0.0
    error: str = ""
    costs: dict[str, float] = field(default_factory=dict)
    agreement: float | None = None
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The run's name in tables and file names."""
        return self.method if self.on == "leaves" else f"{self.method}-all-samples"


def run_method(method: str, leaves: Leaves, seed: int, on: str = "leaves") -> Run:
    """Fit a method of ``METHODS``, or of ``SAMPLE_METHODS`` if ``on`` is ``samples``; see ``run_factory``."""
    methods = METHODS if on == "leaves" else SAMPLE_METHODS
    return run_factory(method, methods[method], leaves, seed, on)


def run_factory(
    name: str, factory: Callable[[], HierarchyMethod], leaves: Leaves, seed: int, on: str = "leaves"
) -> Run:
    """Make a method and fit it; an exception is logged, and becomes the error of the run."""
    run = Run(name, on)
    try:
        hierarchy, run.seconds, run.peak_gib = measured(lambda: factory().fit(leaves, seed))
    except Exception as error:  # the other methods must still run
        logger.exception("%s failed", run.label)
        run.error = " ".join(f"{type(error).__name__}: {error}".split())
        return run
    run.tree = hierarchy.tree
    run.costs[f"{on}_1x"] = hierarchy.report["dasgupta_1x"]
    return run


def measured(work: Callable[[], Output]) -> tuple[Output, float, float]:
    """Return the output of ``work``, its duration in seconds, and the peak memory of the process in GiB."""
    gc.collect()
    _reset_peak()
    begin = time.perf_counter()
    output = work()
    return output, time.perf_counter() - begin, peak_gib()


def peak_gib() -> float:
    """Return the peak resident memory of the process in GiB since the last reset.

    Only Linux can reset it; elsewhere it is since the start of the process.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20
    except (OSError, StopIteration):
        unit = 2**30 if sys.platform == "darwin" else 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # not allowed, or not Linux: the peak is then since the start of the process
        logger.debug("the peak memory cannot be reset")
