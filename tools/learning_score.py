"""Compare ``learning/score``, which is made without labels, with the NMI of runs.

Run: ``python -m tools.learning_score RUN...``; each RUN is the folder of one run, with its TensorBoard logs
below it. Prints a table and Spearman's rank correlations, over all runs and within each data set.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import yaml
from scipy.stats import spearmanr
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

SCORE, VERDICT = "learning/score", "learning/verdict/text_summary"
QUALITY = (
    "test/nmi",
    "val/nmi",
    *(f"val/kmeans/nmi_{name}" for name in ("both", "all", "image", "video", "audio")),
)
"""Names of the NMI, of which the first one that a run has is taken."""
_FEWEST = 3  # runs of a data set for a correlation of its own


class Run(NamedTuple):
    """The last values of a run.

    Attributes:
        name: Its folder.
        data: Name of its data set.
        score: ``learning/score``, from 0 to 1.
        nmi: NMI with the classes, from 0 to 1.
        verdict: The last finding; empty if there was none.
    """

    name: str
    data: str
    score: float
    nmi: float
    verdict: str


def read(folder: Path) -> Run:
    """Read the logs of a run; of several logs with a value the latest counts.

    Raises:
        ValueError: The logs lack the score or the NMI.
    """
    values: dict[str, float] = {}
    verdict = ""
    files = sorted(folder.rglob("events.out.tfevents.*"), key=lambda path: path.stat().st_mtime)
    for log in dict.fromkeys(path.parent for path in files):
        events = EventAccumulator(str(log))
        events.Reload()
        values |= {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]}
        if VERDICT in events.Tags()["tensors"]:
            verdict = events.Tensors(VERDICT)[-1].tensor_proto.string_val[0].decode()
    quality = next((tag for tag in QUALITY if tag in values), None)
    if SCORE not in values or quality is None:
        raise ValueError(
            f"{folder}: no {SCORE if SCORE not in values else 'NMI'} in its TensorBoard logs; run it with "
            "callbacks.LearningChecks, and with callbacks.ClusterEvaluation or callbacks.KMeansEvaluation"
        )
    return Run(str(folder), _data_of(folder), values[SCORE], values[quality], verdict)


def correlation(runs: Sequence[Run]) -> float:
    """Return Spearman's correlation of the scores with the NMI; NaN (a run diverged) ranks lowest."""
    scores = [-1.0 if math.isnan(run.score) else run.score for run in runs]
    return float(spearmanr(scores, [run.nmi for run in runs]).statistic)


def report(runs: Sequence[Run]) -> str:
    """Return the table and the correlations as Markdown."""
    lines = ["| run | data set | score | NMI | finding |", "|---|---|---|---|---|"]
    for run in sorted(runs, key=lambda run: (run.data, -run.nmi)):
        lines.append(f"| {run.name} | {run.data} | {run.score:.3f} | {run.nmi:.3f} | {run.verdict} |")
    groups = defaultdict(list)
    for run in runs:
        groups[run.data].append(run)
    lines += ["", f"Spearman's correlation of {len(runs)} runs: {correlation(runs):.2f}"]
    lines += [
        f"{data}, {len(group)} runs: {correlation(group):.2f}"
        for data, group in sorted(groups.items())
        if len(group) >= _FEWEST
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report of the folders on the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs")
    try:
        print(report([read(folder) for folder in parser.parse_args(arguments).runs]))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _data_of(folder: Path) -> str:
    """Return the data set of a run from its stored configuration, or else the name of the folder above."""
    path = next(iter(sorted(folder.rglob("config.yaml"))), None)
    if path is None:
        return folder.resolve().parent.name
    data = yaml.safe_load(path.read_text())["data"]
    root = Path(data["init_args"].get("root", "")).name
    return f"{data['class_path'].rpartition('.')[2]} {root}".strip()


if __name__ == "__main__":
    sys.exit(main())
