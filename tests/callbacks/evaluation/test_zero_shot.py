"""Zero-shot retrieval, classification and localisation of steps, through a trainer."""

from __future__ import annotations

from csv import DictReader
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor

from callbacks.evaluation.step_localisation import StepLocalisation
from callbacks.evaluation.zero_shot_classification import ZeroShotClassification
from callbacks.evaluation.zero_shot_retrieval import ZeroShotRetrieval
from tests._helpers.embedding_modules import ColourData, trainer
from tests._helpers.zero_shot_sets import Classes, FeatureModule, Pairs, SetData, Steps
from unlabelled.metrics import ordered_steps


def scores_of(callback: Any, *sets: Any) -> dict[str, float]:
    merged: dict[str, float] = {}
    for part in trainer(callback).test(FeatureModule(), SetData(*sets), verbose=False):
        merged |= part
    return merged


def fused(pairs: Pairs) -> Tensor:
    return (pairs.rows.columns["video"] + pairs.rows.columns["audio"]) / 2


def expected_retrieval(queries: Tensor, gallery: Tensor, size: int, cosine: bool = True) -> dict[str, float]:
    if cosine:
        queries, gallery = F.normalize(queries, dim=1), F.normalize(gallery, dim=1)
    order = (queries @ gallery.T).argsort(1, descending=True)
    places = (order == torch.arange(len(order)).unsqueeze(1)).nonzero()[:, 1].numpy()
    recalls = {f"recall@{k}": float((places < k).sum() / size) for k in (1, 5, 10, 50)}
    return {**recalls, "median_rank": float(np.median(places)) + 1, "mean_rank": float(places.mean()) + 1}


def prefixed(name: str, scores: dict[str, float]) -> dict[str, float]:
    return {f"{name}/{metric}": value for metric, value in scores.items()}


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_retrieval_is_that_of_a_full_sort(similarity: Any, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = Pairs("first", 60, 0, missing=5), Pairs("second", 23, 1)
    callback = ZeroShotRetrieval(["text->video+audio", "video->text"], similarity)
    scores = scores_of(callback, first, Classes("classes", 20, 4, 0), second)
    expected: dict[str, float] = {}
    for pairs in (first, second):
        text, size, cosine = pairs.rows.columns["text"], pairs.complete_size, similarity == "cosine"
        forth = expected_retrieval(text, fused(pairs), size, cosine)
        back = expected_retrieval(pairs.rows.columns["video"], text, size, cosine)
        expected |= prefixed(f"test/{pairs.name}/text_to_video+audio", forth)
        expected |= prefixed(f"test/{pairs.name}/video_to_text", back)
    assert scores == pytest.approx(expected)
    assert 0 < scores["test/first/text_to_video+audio/recall@1"] < 1
    text_out = capsys.readouterr().out
    row = next(line for line in text_out.splitlines() if "first, text_to_video+audio" in line)
    assert f"{100 * scores['test/first/text_to_video+audio/recall@5']:.3f}" in row
    assert "MedR" in text_out
    assert first.times_opened


def test_unreadable_items_are_misses_and_no_competitors(caplog: pytest.LogCaptureFixture) -> None:
    pairs = Pairs("pairs", 40, 0)
    pairs.rows.columns["replaced"][[3, 17]] = 0
    keep = pairs.rows.columns["replaced"] < 0
    with caplog.at_level("INFO"):
        scores = scores_of(ZeroShotRetrieval(["text->video"]), pairs)
    expected = expected_retrieval(pairs.rows.columns["text"][keep], pairs.rows.columns["video"][keep], 40)
    assert scores == pytest.approx(prefixed("test/pairs/text_to_video", expected))
    assert "pairs: of 40 samples 2 could not be read and 0 were not visited" in caplog.text


def test_items_of_one_title_may_be_averaged_first() -> None:
    pairs = Pairs("pairs", 30, 0, missing=2)  # titles are shared by two
    scores = scores_of(ZeroShotRetrieval(["text->audio"], average_by_title=True), pairs)
    text, audio = (pairs.rows.columns[name].view(15, 2, -1).mean(1) for name in ("text", "audio"))
    assert scores == pytest.approx(prefixed("test/pairs/text_to_audio", expected_retrieval(text, audio, 17)))


def test_the_untrained_method_is_scored_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs, other = Pairs("pairs", 25, 0), Pairs("other", 9, 1)
    callback = ZeroShotRetrieval(["text->video"], every_n_epochs=2)
    run = trainer(callback, max_epochs=3, num_sanity_val_steps=1, default_root_dir=tmp_path)
    module = FeatureModule(rate=0.5)
    run.fit(module, datamodule=SetData(other, validate_on=[pairs]))
    expected = expected_retrieval(pairs.rows.columns["text"], pairs.rows.columns["video"], 25)
    before = callback.before["pairs, text_to_video"]
    assert before["R@5"] == pytest.approx(100 * expected["recall@5"])
    assert before["MeanR"] == pytest.approx(expected["mean_rank"])
    assert run.callback_metrics["val/pairs/text_to_video/mean_rank"] != pytest.approx(before["MeanR"])
    run.save_checkpoint(tmp_path / "last.ckpt")
    later = ZeroShotRetrieval(["text->video"])
    data = SetData(other, validate_on=[pairs])
    trainer(later).test(module, data, ckpt_path=tmp_path / "last.ckpt", verbose=False, weights_only=False)
    assert later.before == callback.before
    text = capsys.readouterr().out
    assert text.index("before training, val") < text.index("zero-shot retrieval, test")
    assert text.index("pairs, text_to_video") < text.index("other, text_to_video")


def test_the_untrained_scores_are_the_first_point_of_the_curve(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, flush_logs_every_n_steps=1)
    run = trainer(ZeroShotRetrieval(["text->video"]), max_epochs=2, num_sanity_val_steps=0, logger=logger)
    run.fit(FeatureModule(rate=0.5), datamodule=SetData(Pairs("pairs", 25, 0)))
    with (Path(logger.log_dir) / "metrics.csv").open() as file:
        points = {
            int(row["step"]): float(row["val/pairs/text_to_video/mean_rank"]) for row in DictReader(file)
        }
    assert sorted(points) == [0, 3, 7]
    assert points[0] < points[7]


def test_a_validation_in_fit_may_be_left_out() -> None:
    callback = ZeroShotRetrieval(["text->video"], every_n_epochs=None, before_training=False)
    run = trainer(callback, max_epochs=1, num_sanity_val_steps=0)
    run.fit(FeatureModule(), datamodule=SetData(Pairs("pairs", 9, 0)))
    assert not callback.before
    assert not run.callback_metrics


@pytest.mark.parametrize("wrong", [0, 8])
def test_classification_is_the_best_matching_of_clusters(
    wrong: int, capsys: pytest.CaptureFixture[str]
) -> None:
    classes = Classes("actions", 80, 4, 0)  # far apart: clusters are classes, but for wrong labels
    classes.rows.columns["label"][:wrong] = (classes.rows.columns["label"][:wrong] + 1) % 4
    scores = scores_of(ZeroShotClassification("video", 3, 2), classes, Pairs("pairs", 9, 0))
    what = ("accuracy", "accuracy_std", "accuracy_chance")
    assert set(scores) == {f"test/actions/video/{name}" for name in what}
    assert scores["test/actions/video/accuracy"] == pytest.approx(1 - wrong / 80)
    assert scores["test/actions/video/accuracy_std"] == 0
    assert 0.25 < scores["test/actions/video/accuracy_chance"] < 0.5
    assert "actions, video" in capsys.readouterr().out


def test_classification_leaves_out_what_has_no_label() -> None:
    classes = Classes("actions", 60, 3, 0)
    classes.rows.columns["label"][:30] = -1
    assert scores_of(ZeroShotClassification("video", 1, 1), classes)["test/actions/video/accuracy"] == 1
    classes.rows.columns["label"][:] = -1
    with pytest.raises(ValueError, match="no sample of actions has a label"):
        scores_of(ZeroShotClassification("video", 1, 1), classes)


def expected_steps(steps: Steps, log_softmax: bool = False) -> dict[str, float]:
    """Localise the steps from the features, and count video by video."""
    texts = steps.texts.columns["text"].split([len(each) for each in steps.steps])
    shares: dict[int, list[tuple[int, int]]] = {}
    for video, truth in enumerate(steps.truths):
        task = video % 3
        clips = steps.rows.columns["clip"][steps.rows.columns["video"] == video]
        scores = F.normalize(clips, dim=1) @ F.normalize(texts[task], dim=1).T
        scores = scores.log_softmax(1) if log_softmax else scores
        places = ordered_steps(scores.numpy()) if len(truth) >= truth.shape[1] else None
        hits = 0 if places is None else sum(truth[second, step] for step, second in enumerate(places))
        shares.setdefault(task, []).append((int(hits), int(truth.any(0).sum())))
    return {
        "recall": float(np.mean([np.mean([h / n for h, n in each]) for each in shares.values()])),
        "pooled_recall": float(
            np.mean([sum(h for h, _ in each) / sum(n for _, n in each) for each in shares.values()])
        ),
    }


@pytest.mark.parametrize(("given", "usual"), [(False, True), (True, False), (None, True), (None, False)])
def test_steps_are_localised_video_by_video(
    given: bool | None, usual: bool, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = Steps("cooking", [9, 7, 12, 3, 5, 2, 14, 6, 8], 0)
    steps.log_softmax, log_softmax = usual, usual if given is None else given
    with caplog.at_level("INFO"):
        scores = scores_of(StepLocalisation("text->video", log_softmax=given), Pairs("pairs", 9, 0), steps)
    assert scores == pytest.approx(prefixed("test/cooking/text_to_video", expected_steps(steps, log_softmax)))
    assert 0.3 < scores["test/cooking/text_to_video/recall"] < 1
    assert scores["test/cooking/text_to_video/recall"] != scores["test/cooking/text_to_video/pooled_recall"]
    assert "of 9 videos 1 have fewer seconds than steps" in caplog.text
    assert "pooled_recall" in capsys.readouterr().out


def test_unreadable_seconds_are_no_candidates() -> None:
    steps = Steps("cooking", [6, 8, 9], 0, noise=0.0)
    assert scores_of(StepLocalisation("text->video"), steps)["test/cooking/text_to_video/recall"] == 1
    steps.rows.columns["replaced"][:2] = 5  # video 0 shows its first step there and nowhere else
    found = scores_of(StepLocalisation("text->video"), steps)["test/cooking/text_to_video/recall"]
    assert found == pytest.approx((2 / 3 + 1 + 1) / 3)


ALL = [
    ZeroShotRetrieval(["text->video"]),
    ZeroShotClassification("video"),
    StepLocalisation("text->video"),
]


@pytest.mark.parametrize("callback", ALL, ids=lambda each: type(each).__name__)
def test_what_cannot_be_scored_is_refused_at_start(callback: Any, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(MisconfigurationException, match="which BoringModel is not"):
        trainer(callback).test(BoringModel(), verbose=False)
    with pytest.raises(MisconfigurationException, match="evaluation sets"):
        trainer(callback).test(FeatureModule(), ColourData(), verbose=False)
    others = {Pairs("p", 9, 0), Classes("c", 9, 3, 0), Steps("s", [5, 5, 5], 0)}
    with caplog.at_level("INFO"):
        assert not scores_of(callback, *(each for each in others if not isinstance(each, callback.kind)))
    assert f"none of the test sets is a {callback.kind.__name__}" in caplog.text


@pytest.mark.parametrize(
    ("callback", "data"),
    [
        (ZeroShotRetrieval(["text->text+video"]), Pairs("p", 9, 0)),
        (ZeroShotClassification("video+audio"), Classes("c", 9, 3, 0)),
        (StepLocalisation("text->audio"), Steps("s", [5, 5, 5], 0)),
    ],
)
def test_features_that_the_method_has_not_are_named(callback: Any, data: Any) -> None:
    with pytest.raises(MisconfigurationException, match=r"no features '.*' of this set, only .*video"):
        scores_of(callback, data)


def test_features_that_are_not_finite_are_refused() -> None:
    for callback, data in zip(
        ALL, (Pairs("p", 9, 0), Classes("c", 9, 3, 0), Steps("s", [5, 5, 5], 0)), strict=True
    ):
        data.rows.columns["clip" if isinstance(data, Steps) else "video"][2] = torch.nan
        with pytest.raises(ValueError, match=r"not finite|NaN"):
            scores_of(callback, data)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ZeroShotRetrieval([]), "at least one"),
        (lambda: ZeroShotRetrieval(["text"]), "expected `<query>-><gallery>`"),
        (lambda: ZeroShotRetrieval(["text->audio+video"]), "'audio\\+video' is no feature"),
        (lambda: ZeroShotRetrieval(similarity="euclidean"), "cosine or dot"),
        (lambda: ZeroShotRetrieval(every_n_epochs=0), "every_n_epochs must be at least 1"),
        (lambda: ZeroShotClassification(seeds=0), "at least 1 for each"),
        (lambda: ZeroShotClassification("pictures"), "is no feature"),
        (lambda: StepLocalisation("video->text"), "steps are texts"),
    ],
)
def test_wrong_options_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
