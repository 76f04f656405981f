"""Sentences on what is wrong with a run."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from callbacks.evaluation.learning_verdicts import Progress, verdict
from unlabelled.pipelines import AudioVisualPipeline

GOOD = {
    "agreement/modalities": 0.5,
    "agreement/heads": 0.8,
    "agreement/copies": 0.8,
    "effective_clusters": 8.0,
    "loss_over_log_k/video": 0.6,
    "loss_over_log_k/audio": 0.3,
    "shortcut/video/colour": 0.2,
    "shortcut/joint/loudness": 0.4,
}
LATE = Progress(epoch=20, share=0.6, num_clusters=9)
PIPELINE = AudioVisualPipeline()


def sentence(progress: Progress = LATE, pipeline: object = PIPELINE, **changes: float) -> str:
    found = verdict(
        GOOD | {name.replace("__", "/"): value for name, value in changes.items()}, progress, pipeline
    )
    return "" if found is None else found.sentence


def test_a_good_run_has_no_verdict() -> None:
    assert sentence() == ""
    assert sentence(effective_clusters=2.8) == ""


def test_nothing_is_found_too_early() -> None:
    early = Progress(2, 0.1, 9)
    assert sentence(early, loss_over_log_k__video=1.0, agreement__heads=0.0) == ""
    assert "diverged" in sentence(early, agreement__copies=math.nan)
    assert sentence(Progress(8, 0.4, 9), agreement__modalities=0.0) == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"loss_over_log_k__video": 0.99, "shortcut__video__colour": 0.71},
            "video has not left log K after 20 epochs (held-out loss / log K 0.99): its clusters follow "
            "mean colour (share 0.71); raise data.init_args.pipeline.init_args.colour_shift",
        ),
        (
            {"loss_over_log_k__audio": 0.98},
            "audio has not left log K after 20 epochs (held-out loss / log K 0.98): its heads predict "
            "nothing yet; raise model.init_args.optimizer.init_args.lr",
        ),
        (
            {"loss_over_log_queue": 0.99},
            "the loss has not left log(queue_size + 1) after 20 epochs (ratio 0.99)",
        ),
        ({"effective_clusters": 1.2}, "held-out samples fall into 1.2 of 9 clusters"),
        (
            {"shortcut__joint__loudness": 0.7},
            "the clusters follow loudness (it alone explains 0.70 of them) after 20 epochs; widen "
            "data.init_args.pipeline.init_args.volume",
        ),
        (  # as measured on the garments without augmented colours
            {"shortcut__video__colour": 0.41, "shortcut__video__brightness": 0.32},
            "the clusters of video follow mean colour (it alone explains 0.41 of them) after 20 epochs; "
            "raise data.init_args.pipeline.init_args.colour_shift",
        ),
        ({"shortcut__joint__duration": 0.7}, "the clusters follow the length of the clip"),
        ({"agreement__heads": 0.04}, "the heads do not agree (adjusted mutual information 0.04)"),
        ({"agreement__copies": 0.04}, "two augmented copies of a sample do not agree"),
        ({"agreement__modalities": 0.04}, "the modalities do not agree"),
    ],
)
def test_each_finding_is_named(changes: dict[str, float], expected: str) -> None:
    assert expected in sentence(**changes)


def test_options_are_those_of_the_pipeline() -> None:
    changes = {"shortcut__video__colour": 0.9}
    images = SimpleNamespace(crops=[])
    assert "the colours of data.init_args.pipeline.init_args.crops" in sentence(pipeline=images, **changes)
    assert "augment it in data.init_args.pipeline.init_args" in sentence(pipeline=None, **changes)
    assert "colour_jitter or data.init_args.pipeline.init_args.greyscale" in sentence(**changes)
