"""The command line of ``python -m unlabelled hierarchy``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from unlabelled.commands.hierarchy.given_trees import read_trees
from unlabelled.commands.hierarchy.named_rows import NamedRows, checked_similarity
from unlabelled.commands.hierarchy.outputs import leaf_names, write_figures, write_leaves, write_tree
from unlabelled.commands.hierarchy.runs import METHODS, Run
from unlabelled.commands.hierarchy.study import Classes, Plan, Study
from unlabelled.commands.hierarchy.tables import markdown, write_tables

logger = logging.getLogger(__name__)
DESCRIPTION = """\
Build hierarchies of features by all methods, compare their Dasgupta costs and times (the sHHC paper's
Table 3) and their agreement with held-out samples, and draw the tree of the method that agrees best. More
rows than --leaves are first put into that many pre-clusters. With --similarity matrix the file has the
similarities of all pairs of rows. --trees are compared, too, and improved by local search.

Written to --out: costs.md, costs.json, trees/METHOD.npy (scipy's linkage matrix) and .nwk (Newick),
leaves.npz (the leaf of each sample), disk.png, dendrogram.png and similarity.png."""


def main(argv: Sequence[str]) -> int:
    """Run the command; return 0: all is written, 1: a method or the figures failed, 2: unusable input."""
    options = _parser().parse_args(argv)
    logging.basicConfig(format="%(levelname)s: %(message)s")
    try:
        study, names = _prepare(options)
        folder = Path(options.out or f"{Path(options.features).stem}_hierarchies")
        folder.mkdir(parents=True, exist_ok=True)
        write_leaves(folder, study)
        failed = _run(study, folder, Path(options.features).name, names)
    except (OSError, ValueError, ImportError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(markdown(Path(options.features).name, study))
    print(f"written to {folder}")
    return 1 if failed else 0


def _prepare(options: argparse.Namespace) -> tuple[Study, list[str] | None]:
    """Read all files and build the leaves; return the study and the names of the leaves."""
    plan = Plan(
        options.methods,
        options.similarity,
        options.leaves,
        options.all_samples_up_to,
        options.clusters,
        options.seed,
    )
    table = NamedRows.read(options.features, options.key, options.names, options.labels)
    features = table.rows
    if plan.similarity == "matrix":
        features = checked_similarity(options.features, features)
    if options.trees and len(features) > plan.num_leaves:
        raise ValueError(
            f"--trees: their leaves are the {len(features)} rows, but --leaves {plan.num_leaves} makes "
            f"pre-clusters; set --leaves {len(features)}"
        )
    classes = Classes.of(table.labels) if table.labels else None
    action = f": pre-clustering into {plan.num_leaves}" if len(features) > plan.num_leaves else ""
    print(f"{features.shape[0]} rows of {features.shape[1]} dimensions{action}", file=sys.stderr)
    study = Study.prepare(features, plan, classes)
    study.given = read_trees(options.trees, study.leaves, table.names)
    if taken := [name for name in study.given if name in METHODS or f"{name}-improved" in study.given]:
        raise ValueError(f"--trees: the name {taken[0]} is taken by another tree; rename the file")
    return study, leaf_names(study, table.names)


def _run(study: Study, folder: Path, title: str, names: list[str] | None) -> bool:
    """Run all methods and write their results; return whether a method or a figure failed."""
    failed = False
    for run in study.run_all():
        write_tree(folder, run, names if run.on == "leaves" else None)
        write_tables(folder, title, study)
        print(_line(run), file=sys.stderr)
        failed |= bool(run.error)
    if study.best is None:
        return True
    try:
        write_figures(folder, study, study.best, names)
    except Exception:  # costs and trees are already written
        logger.exception("the figures of %s could not be drawn", study.best.label)
        failed = True
    return failed


def _line(run: Run) -> str:
    if run.error:
        return f"{run.label}: FAILED: {run.error}"
    costs = ", ".join(f"{name} {cost:.6e}" for name, cost in run.costs.items())
    agreement = "" if run.agreement is None else f"held-out agreement {run.agreement:.4f}, "
    return f"{run.label}: {costs}, {agreement}{run.seconds:.2f} s"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m unlabelled hierarchy",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "features", metavar="FEATURES", help="file of numbers (n, d): .npy, .npz, .pt or .csv"
    )
    parser.add_argument("--key", metavar="NAME", help="the array of a file with several")
    parser.add_argument("--out", metavar="DIR", help="output folder; default: FEATURES_hierarchies")
    parser.add_argument("--leaves", type=_at_least(2), default=1000, metavar="K", help="default: 1000")
    parser.add_argument(
        "--similarity",
        choices=["half_cosine", "positive_cosine", "matrix"],
        default="half_cosine",
        help="matrix: FEATURES has the similarities (n, n) themselves",
    )
    parser.add_argument(
        "--methods", nargs="+", choices=list(METHODS), default=list(METHODS), metavar="METHOD"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--labels",
        metavar="FILE",
        help="one class per row: .npy, text with one per line, or a column of a .csv",
    )
    parser.add_argument(
        "--names", metavar="FILE", help="one name per row, for trees and figures, as --labels"
    )
    parser.add_argument(
        "--trees",
        nargs="+",
        default=[],
        metavar="FILE",
        help="trees over the rows to compare and improve: Newick, or a linkage matrix as .npy",
    )
    parser.add_argument(
        "--clusters",
        nargs="+",
        type=_at_least(1),
        default=[10, 30, 100],
        metavar="N",
        help="cuts to compare with --labels; the first one is drawn",
    )
    parser.add_argument(
        "--all-samples-up-to",
        type=_at_least(0),
        default=2000,
        metavar="N",
        help="largest number of rows for additional runs of linkages, hyphc, shhc and neighbours without "
        "pre-clusters (default: 2000; shhc and neighbours take 32 N^2 bytes and two minutes each)",
    )
    parser.epilog = f"methods: {', '.join(METHODS)}"
    return parser


class _at_least:
    """An argparse type: an integer of at least ``lowest``."""

    def __init__(self, lowest: int) -> None:
        self.lowest = lowest
        self.__name__ = f"integer of at least {lowest}"  # argparse prints this name for a wrong value

    def __call__(self, text: str) -> int:
        number = int(text)
        if number < self.lowest:
            raise ValueError(text)
        return number
