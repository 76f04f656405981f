"""Contents of a page that a user asks for beside the samples: labels, another run, own files."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlabelled.commands.page.own_files import embed_files
from unlabelled.commands.page.predictions import find_predictions, predict
from unlabelled.page import Additions, OtherRun, Samples, other_run, read_features, read_samples
from unlabelled.page.label_files import read_labels
from unlabelled.page.samples import joint_features


@dataclass(frozen=True)
class Wanted:
    """Options of a page.

    Args:
        labels: A file of labels that are propagated.
        compare: The folder of another run.
        files: Files to find on the page.
        fiftyone: Name of a dataset of FiftyOne that is made.
    """

    labels: str | None = None
    compare: str | None = None
    files: Sequence[str] = field(default_factory=tuple)
    fiftyone: str | None = None


def additions(
    wanted: Wanted,
    samples: Samples,
    features: Mapping[str, NDArray[np.float32]],
    checkpoint: str,
    seed: int,
) -> Additions | None:
    """Read and compute what is wanted; None: a command failed, and printed why.

    Args:
        wanted: The options.
        samples: The samples of the page.
        features: Their features.
        checkpoint: The checkpoint of the features, for own files.
        seed: Seed of the page.
    """
    queries, other = None, None
    if wanted.files and (queries := embed_files(wanted.files, checkpoint, list(features))) is None:
        return None
    if wanted.compare and (other := _other(Path(wanted.compare), samples, seed)) is None:
        return None
    return Additions(_given(wanted.labels, samples), other, queries, fiftyone=wanted.fiftyone)


def _other(run: Path, samples: Samples, seed: int) -> OtherRun | None:
    found = find_predictions(run) or predict(run)
    if found is None:
        return None
    other = read_samples(found.table)
    features = joint_features(read_features(found.features, other.paths))
    result = other_run(samples, run.resolve().name, other, features, seed)
    common = int((result.clusters >= 0).sum())
    print(f"{run} has {common} of the {len(samples)} samples of the page")
    return result


def _given(path: str | None, samples: Samples) -> list[str] | None:
    """Read a file of labels, and print which of its rows are not used; None: there is no file."""
    if path is None:
        return None
    labels, notes = read_labels(Path(path), samples)
    for note in notes:
        print(f"warning: {note}", file=sys.stderr)
    return labels
