"""The command line of ``python -m unlabelled page``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unlabelled.commands.page.additions import Wanted, additions
from unlabelled.commands.page.own_files import checkpoint_of
from unlabelled.commands.page.predictions import Predictions, find_predictions, predict
from unlabelled.page import PagePlan, read_features, read_samples, write_page
from unlabelled.page.fiftyone_dataset import check_fiftyone
from unlabelled.page.samples import read_maps

DESCRIPTION = """\
Write a page that shows the clusters of a run: OUT/index.html, which any browser opens from disk, with
previews of all samples, and clusters.csv, features.npy and tree.nwk for other programs. The samples are those
of `predict`; where the run has no predictions with features, the command for them is printed and run."""


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Returns: 0: the page is written, 1: `predict` failed, 2: unusable input, 130: stopped by Ctrl-C.
    """
    options = _parser().parse_args(argv)
    logging.basicConfig(format="%(levelname)s: %(message)s")
    try:
        run = Path(options.run)
        if options.fiftyone:
            check_fiftyone(options.fiftyone)
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
        wanted = Wanted(options.labels, options.compare, options.query, options.fiftyone)
        page = page_of(found, Path(options.out or run / "page"), plan, wanted, options.checkpoint)
    except (OSError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    if page is None:
        return 1
    print(f"page written to {page}")
    return 0


def page_of(
    found: Predictions, out: Path, plan: PagePlan, wanted: Wanted, checkpoint: str | None = None
) -> Path | None:
    """Write the page of some predictions to the folder ``out``; return the path of ``index.html``.

    Args:
        found: The predictions.
        out: The folder.
        plan: What the page shows.
        wanted: What the page has beside the samples.
        checkpoint: The checkpoint of the predictions; None: as their configuration states.

    Returns: None: a command failed, and printed why.
    """
    samples = read_samples(found.table)
    features = read_features(found.features, samples.paths)
    used = (checkpoint or checkpoint_of(found)) if wanted.files else ""
    extra = additions(wanted, samples, features, used, plan.seed)
    if extra is None:
        return None
    maps = read_maps(found.features, samples.paths)
    return write_page(samples, features, out, plan, replace(extra, maps=maps))


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
    parser.add_argument("--compare", metavar="RUN2", help="another run, whose clusters are compared")
    parser.add_argument(
        "--query",
        nargs="+",
        default=(),
        metavar="FILE",
        help="files to find on the page: their cluster, nearest samples",
    )
    parser.add_argument(
        "--fiftyone", metavar="NAME", help="also make a dataset of FiftyOne, which must be installed"
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
