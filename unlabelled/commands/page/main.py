"""The command line of ``python -m unlabelled page``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from unlabelled.commands.page.predictions import Predictions, find_predictions, predict
from unlabelled.page import PagePlan, Samples, read_features, read_samples, write_page
from unlabelled.page.label_files import read_labels

DESCRIPTION = """\
Write a page that shows the clusters of a run: OUT/index.html, which any browser opens from disk, with
previews of all samples, and clusters.csv, features.npy and tree.nwk for other programs. The samples are those
of `predict`; where the run has no predictions with features, the command for them is printed and run."""


def main(argv: Sequence[str]) -> int:
    """Run the command; return 0: the page is written, 1: `predict` failed, 2: unusable input."""
    options = _parser().parse_args(argv)
    logging.basicConfig(format="%(levelname)s: %(message)s")
    try:
        run = Path(options.run)
        found = None if options.predict else find_predictions(run)
        if found is None and (found := predict(run, options.checkpoint)) is None:
            return 1
        plan = PagePlan(
            options.title or run.resolve().name,
            options.clusters,
            options.max_megabytes,
            options.workers,
            options.seed,
        )
        page = page_of(found, Path(options.out or run / "page"), plan, options.labels)
    except (OSError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(f"page written to {page}")
    return 0


def page_of(found: Predictions, out: Path, plan: PagePlan, labels: str | None = None) -> Path:
    """Write the page of some predictions to the folder ``out``; return the path of ``index.html``.

    Args:
        found: The predictions.
        out: The folder.
        plan: What the page shows.
        labels: A file of labels that are propagated; None: there is none.
    """
    samples = read_samples(found.table)
    features = read_features(found.features, samples.paths)
    return write_page(samples, features, out, plan, given_labels(labels, samples))


def given_labels(path: str | None, samples: Samples) -> list[str] | None:
    """Read a file of labels, and print which of its rows are not used; None: there is no file."""
    if path is None:
        return None
    labels, notes = read_labels(Path(path), samples)
    for note in notes:
        print(f"warning: {note}", file=sys.stderr)
    return labels


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m unlabelled page",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUN", help="folder of a run, such as runs/selavi_demo")
    parser.add_argument("--out", metavar="DIR", help="folder of the page; default: RUN/page")
    parser.add_argument("--title", help="heading of the page; default: the name of the run")
    parser.add_argument(
        "--clusters", type=_positive, metavar="N", help="finest cut; default: four per cluster of the method"
    )
    parser.add_argument(
        "--max-megabytes", type=float, default=500.0, metavar="M", help="bound of the previews; default: 500"
    )
    parser.add_argument(
        "--workers", type=_positive, metavar="N", help="threads that make previews; default: all cores"
    )
    parser.add_argument(
        "--labels", metavar="FILE", help="labels.csv of a page: propagate them to all samples"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the tree and the map; default: 0")
    parser.add_argument(
        "--checkpoint", metavar="CKPT", help="for predict; default: best.ckpt of the run, else last.ckpt"
    )
    parser.add_argument("--predict", action="store_true", help="predict again, where there are predictions")
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number
