"""The command line of ``python -m unlabelled discover``."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from unlabelled.commands.discover.contents import look
from unlabelled.commands.discover.library import library_network
from unlabelled.commands.discover.plan import Plan, make_plan
from unlabelled.commands.discover.progress import Progress
from unlabelled.commands.discover.speed import Speed, measure
from unlabelled.commands.discover.weights import with_network, with_weights
from unlabelled.commands.page.additions import Wanted
from unlabelled.commands.page.main import page_of
from unlabelled.page import PagePlan

DESCRIPTION = """\
Show what is in a folder of videos, audio files or images without labels: look at the files, train the method
that fits them, cluster, and write OUT/index.html with clusters.csv, features.npy and tree.nwk. The commands
of cli.py that do so are printed. A call that was interrupted goes on when it is repeated."""


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Returns: 0: the page is written, 1: a command failed, 2: unusable input, 130: stopped by Ctrl-C.
    """
    options = _parser().parse_args(argv)
    logging.basicConfig(format="%(levelname)s: %(message)s")
    folder = Path(options.folder)
    out = Path(options.out or Path("discovered", folder.resolve().name))
    begin = time.monotonic()
    try:
        page = _trained(options, folder, out) if options.weights is None else _ready(options, folder, out)
    except (OSError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    if page is None:
        return 1
    print(f"page written to {page}, after {(time.monotonic() - begin) / 60:.1f} minutes")
    return 0


def _ready(options: argparse.Namespace, folder: Path, out: Path) -> Path | None:
    """Write the page with weights that are not trained here."""
    plan, wanted = _page_plan(options, folder), _wanted(options)
    network = library_network(options.weights)
    if network is None:
        return with_weights(
            options.weights, folder, out, options.clusters, plan, wanted, options.allow_outside
        )
    contents = look(str(folder), sys.stderr.isatty(), options.allow_outside)
    print("\n".join(contents.summary()))
    return with_network(network, contents, out, options.clusters, plan, wanted)


def _trained(options: argparse.Namespace, folder: Path, out: Path) -> Path | None:
    contents = look(str(folder), sys.stderr.isatty(), options.allow_outside)
    print("\n".join(contents.summary()))
    choice = (options.method, options.clusters)
    progress = Progress(make_plan(contents, Speed(0, 0), *choice), out)
    if not progress.is_trained:
        progress = Progress(make_plan(contents, measure(contents.kind), *choice, options.minutes), out)
        print(_promise(progress.plan), flush=True)
    found = progress.complete()
    return None if found is None else page_of(found, out, _page_plan(options, folder), _wanted(options))


def _promise(plan: Plan) -> str:
    return (
        f"{plan.name}, {plan.clusters} clusters, up to {plan.epochs} epochs: at most {plan.seconds / 60:.1f} "
        "minutes (--minutes for another time, --method and --clusters for another choice)"
    )


def _page_plan(options: argparse.Namespace, folder: Path) -> PagePlan:
    return PagePlan(options.title or folder.resolve().name, max_megabytes=options.max_megabytes)


def _wanted(options: argparse.Namespace) -> Wanted:
    return Wanted(options.labels, files=options.query)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m unlabelled discover",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="FOLDER", help="read with all folders in it")
    parser.add_argument("--out", metavar="DIR", help="folder of the output; default: discovered/NAME")
    parser.add_argument("--method", metavar="NAME", help="name of a demo that reads these files, as selavi")
    parser.add_argument(
        "--weights",
        metavar="CKPT",
        help="no training, k-means of the features of: a checkpoint of `fit`, torchvision:NAME or timm:NAME "
        "(torchvision:NAME:FILE for weights of a file)",
    )
    parser.add_argument("--minutes", type=float, metavar="M", help="time for everything")
    parser.add_argument(
        "--clusters", type=int, metavar="K", help="clusters of the method; default: at most 10"
    )
    parser.add_argument(
        "--labels", metavar="FILE", help="labels.csv of the page: propagate them to all samples"
    )
    parser.add_argument(
        "--query",
        nargs="+",
        default=(),
        metavar="FILE",
        help="files to find on the page: cluster, nearest samples",
    )
    parser.add_argument(
        "--allow-outside", action="store_true", help="follow links that lead out of the folder"
    )
    parser.add_argument("--title", help="heading of the page; default: the name of the folder")
    parser.add_argument(
        "--max-megabytes", type=float, default=500.0, metavar="M", help="bound of the previews; default: 500"
    )
    return parser
