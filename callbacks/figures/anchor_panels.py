"""Figures of the anchors of one evaluation set."""

from __future__ import annotations

from lightning import Trainer

from callbacks.shared.loggers import publish, publish_text
from unlabelled.data.datasets.evaluation_sets import EvaluationSet, LabelledSet
from unlabelled.visualization.anchor_cases import anchor_cases
from unlabelled.visualization.anchor_codes import (
    Codes,
    Counts,
    Labels,
    Shares,
    category_counts,
    category_distribution,
    category_table,
    informative_anchors,
)
from unlabelled.visualization.anchors import CategoryPanel, assignment_figure, category_figure
from unlabelled.visualization.items import category_name, item_of

_PANELS = 3  # number of anchors, and of pairs of anchors, whose categories are drawn


def draw_cases(
    trainer: Trainer, evaluation_set: EvaluationSet, index: list[int], codes: dict[str, Codes], labels: Labels
) -> None:
    """Draw the anchors of similar, of different and of confusing samples.

    Args:
        trainer: The trainer of the run.
        evaluation_set: The set, which is open.
        index: The n rows of the set.
        codes: ``{modality: (n, K)}``; rows without any anchor are samples that lack the modality.
        labels: ``(n,)``, -1 where there is none.
    """
    for case in anchor_cases(codes, labels):
        rows = list(case.rows)
        items = [item_of(evaluation_set, index[row], int(labels[row])) for row in rows]
        drawn = {modality: code[rows] for modality, code in codes.items()}
        figure = assignment_figure(items, drawn, f"{evaluation_set.name}: {case.title}")
        publish(trainer, f"anchors_{evaluation_set.name}_{case.name}", figure)


def draw_categories(
    trainer: Trainer, evaluation_set: EvaluationSet, modality: str, codes: Codes, labels: Labels
) -> None:
    """Draw the categories of the most selective anchors and pairs; write those of each anchor as text.

    Args:
        trainer: The trainer of the run.
        evaluation_set: The set, which is open.
        modality: The modality of the codes.
        codes: ``(n, K)``.
        labels: ``(n,)``, -1 where there is none.
    """
    names = _names(evaluation_set, labels)
    counts = category_counts(codes, labels, len(names))
    overall = category_distribution(codes, labels, len(names), [])
    name = f"anchors_{evaluation_set.name}_{modality}"
    title = f"{evaluation_set.name}: categories of the most selective {modality} anchors and pairs of anchors"
    panels = [_panels(counts, overall, size) for size in (1, 2)]
    publish(trainer, f"{name}_categories", category_figure(panels, overall, names, title))
    publish_text(trainer, f"{name}_top_categories", category_table(counts, overall, names))


def _names(evaluation_set: EvaluationSet, labels: Labels) -> list[str]:
    if isinstance(evaluation_set, LabelledSet):
        return list(evaluation_set.class_names)
    return [category_name(evaluation_set, label) for label in range(int(labels.max()) + 1)]


def _panels(counts: Counts, overall: Shares, size: int) -> list[CategoryPanel]:
    panels = []
    for anchors in informative_anchors(counts, overall, _PANELS, size):
        categories = counts[anchors[0], anchors[-1]]
        panels.append(CategoryPanel(anchors, categories / categories.sum(), int(categories.sum())))
    return panels
