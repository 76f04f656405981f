"""Measure what a page makes of a run whose samples have classes: its cut, and what a few labels give.

    python benchmarks/page_quality.py RUN [--labels 3] [--draws 5]

RUN is the folder of a run whose page was written (`python -m unlabelled page RUN`), as runs/selavi_demo. For
each draw, N clips of each class at random have their label, and the others get theirs by propagation, as by
`discover --labels`; the share of all clips with the right label is printed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

from unlabelled.commands.page.predictions import find_predictions
from unlabelled.page import read_features, read_samples
from unlabelled.page.cluster_tree import fine_tree
from unlabelled.page.evidence import cut_scores
from unlabelled.page.propagation import propagate
from unlabelled.page.samples import joint_features


def main() -> None:
    """Print the measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--labels", type=int, default=3, help="labels of each class")
    parser.add_argument("--draws", type=int, default=5)
    options = parser.parse_args()
    found = find_predictions(options.run)
    if found is None:
        raise SystemExit(
            f"{options.run} has no predictions with features: python -m unlabelled page {options.run}"
        )
    samples = read_samples(found.table)
    joint = joint_features(read_features(found.features, samples.paths))
    clusters = len(np.unique(samples.clusters))
    fine = fine_tree(joint, samples.clusters, 4 * clusters)
    classes = sorted(set(samples.labels) - {""})
    nmi = cut_scores(fine.tree, fine.leaf_of, samples.labels)["nmi"]
    print(f"{len(samples)} samples, {len(classes)} classes")
    for cut in sorted({len(classes), fine.num_clusters}):
        print(f"cut at {cut}: NMI {nmi[cut - 1]:.3f}")
    labels = np.array(samples.labels)
    for draw in range(options.draws):
        rng = np.random.default_rng(draw)
        rows = [rng.choice(np.flatnonzero(labels == name), options.labels, False) for name in classes]
        given = np.full(len(labels), "", labels.dtype)
        for each in rows:
            given[each] = labels[each]
        made = propagate(joint, given.tolist())
        right = np.array(["", *made.names])[made.labels + 1] == labels
        print(f"draw {draw}: {100 * right[labels != ''].mean():.1f} % right with {made.num_given} labels")


if __name__ == "__main__":
    main()
