"""Figures of anchors and of retrieval results."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import TensorBoardLogger
from scipy.stats import entropy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from callbacks.figures import anchor_panels, retrieval_figures
from callbacks.figures.anchor_figures import AnchorFigures
from callbacks.figures.retrieval_figures import RetrievalFigures
from tests._helpers.anchored_sets import Actions, Anchored, Pairs, SetData, Streams
from tests._helpers.embedding_modules import trainer
from unlabelled.visualization.anchor_codes import binary_codes
from unlabelled.visualization.retrieved import retrieved_figure

LABELLED = ["similar_across", "different_within", "different_across", "confusing"]
CATEGORIES = [f"{modality}_categories" for modality in ("text", "video", "audio")]


def names(folder: Path) -> set[str]:
    return {path.stem for path in folder.rglob("*.png")}


def similarities(module: Anchored, samples: Streams, modality: str) -> Tensor:
    anchors = nn.functional.normalize(module.anchors.detach(), dim=1)
    return nn.functional.normalize(samples.streams[modality], dim=1) @ anchors.T


def test_all_figures_and_metrics(tmp_path: Path) -> None:
    data, module = SetData(), Anchored()
    logger = TensorBoardLogger(tmp_path, name="", version="")
    callbacks = [AnchorFigures(), RetrievalFigures(num_queries=2)]
    (scores, *_) = trainer(*callbacks, logger=logger).test(module, data, verbose=False)
    drawn = {f"anchors_actions_{name}" for name in [*LABELLED, *CATEGORIES]}
    drawn |= {"anchors_pairs_similar", "anchors_pairs_different", "retrieved_pairs_text_to_video+audio"}
    assert names(tmp_path) == drawn
    events = EventAccumulator(str(tmp_path), {"images": 0, "tensors": 0}).Reload()
    assert {tag.removeprefix("figures/") for tag in events.Tags()["images"]} == drawn
    texts = [tag for tag in events.Tags()["tensors"] if "top_categories" in tag]
    assert len(texts) == 3
    (table,) = events.Tensors(next(tag for tag in texts if "video" in tag))
    written = table.tensor_proto.string_val[0].decode()
    assert written.count("\n") == 1 + module.num_anchors
    assert "Käse (" in written
    for each in data.sets:
        for modality in ("text", "video", "audio"):
            expected = similarities(module, each.dataset(None), modality)
            counts = torch.bincount(expected.topk(4, 1).indices.flatten(), minlength=8)
            least, most = math.log(4), math.log(8)
            prefix = f"test/{each.name}/anchors/{modality}"
            assert scores[f"{prefix}/usage_entropy"] == pytest.approx(
                (entropy(counts) - least) / (most - least), abs=1e-5
            )
            assert scores[f"{prefix}/score_std"] == pytest.approx(
                float(expected.std(0, correction=0).mean()), abs=1e-5
            )
            share = float((expected.abs() > 0.3).float().mean())
            assert scores[f"{prefix}/score_above_0.3"] == pytest.approx(share, abs=1e-5)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the figures, which are not written, as that takes half a second each."""
    written: list[str] = []
    for module in (anchor_panels, retrieval_figures):
        monkeypatch.setattr(module, "publish", lambda trainer, name, figure: written.append(name))
    return written


class _Recorded(AnchorFigures):
    """Record the rows that are drawn."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.drawn: list[tuple[int, str, Any]] = []

    def _draw(self, trainer: Any, evaluation_set: Any, rows: Any, num_assigned: int) -> None:
        self.drawn.append((trainer.current_epoch, evaluation_set.name, rows))
        super()._draw(trainer, evaluation_set, rows, num_assigned)


def test_within_fit_it_draws_when_due_and_logs_always(tmp_path: Path, published: list[str]) -> None:
    callback, module = _Recorded(every_n_epochs=2), Anchored()
    run = trainer(callback, max_epochs=5, num_sanity_val_steps=1, default_root_dir=tmp_path)
    run.fit(module, datamodule=SetData())
    assert [epoch for epoch, *_ in callback.drawn] == [1, 1, 3, 3, 4, 4]
    assert len(module.assigned) == 3 * 2 * 3
    assert "val/actions/anchors/video/usage_entropy" in run.callback_metrics
    assert published.count("anchors_actions_confusing") == 3
    idle = _Recorded(every_n_epochs=9)
    run = trainer(idle, max_epochs=-1, max_steps=2, limit_train_batches=1, default_root_dir=tmp_path)
    run.fit(module := Anchored(), datamodule=SetData())
    assert not module.assigned
    assert "val/actions/anchors/video/usage_entropy" in run.callback_metrics


@pytest.mark.usefixtures("published")
def test_rows_are_evenly_spread_and_in_order(tmp_path: Path) -> None:
    data = SetData()
    samples: Any = data.sets[1].dataset(None)
    samples.replaced[10] = 3
    callback = _Recorded(max_samples=10)
    trainer(callback, default_root_dir=tmp_path).validate(Anchored(), data, verbose=False)
    rows = {name: rows for _, name, rows in callback.drawn}
    assert rows["pairs"].index.tolist() == list(range(0, 37, 4))
    assert rows["actions"].index.tolist() == [0, 5, 15, 20, 25, 30, 35, 40]
    assert rows["actions"].labels.tolist() == [row % 3 for row in rows["actions"].index.tolist()]


@pytest.mark.usefixtures("published")
def test_samples_without_a_modality_are_not_assigned(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes_of_sets: list[Any] = []
    monkeypatch.setattr(
        anchor_panels, "anchor_cases", lambda codes, labels: codes_of_sets.append(codes) or []
    )
    samples = Streams(1, 45, True)
    samples.present["text"][:] = False
    samples.present["audio"][::3] = False
    module = Anchored()
    with caplog.at_level("INFO"):
        (scores,) = trainer(AnchorFigures(), default_root_dir=tmp_path).validate(
            module, SetData(Actions("actions", samples)), verbose=False
        )
    (codes,) = codes_of_sets
    assert set(codes) == {"video", "audio"}
    assert codes["video"].sum(1).tolist() == [4] * 45
    assert codes["audio"].sum(1).tolist() == [0, 4, 4] * 15
    assert [len(part) for part in module.assigned] == [45, 30]
    assert "no sample of actions has text" in caplog.text
    assert not any("/text/" in name for name in scores)
    expected = similarities(module, samples, "audio")[samples.present["audio"]]
    assert scores["val/actions/anchors/audio/score_std"] == pytest.approx(
        float(expected.std(0, correction=0).mean()), abs=1e-5
    )


@pytest.mark.usefixtures("published")
def test_the_codes_are_those_of_the_balanced_assignment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes_of_sets: list[Any] = []
    monkeypatch.setattr(
        anchor_panels, "anchor_cases", lambda codes, labels: codes_of_sets.append(codes) or []
    )
    data, module = SetData(Pairs("pairs", Streams(0, 37, False))), Anchored()
    trainer(AnchorFigures(), default_root_dir=tmp_path).validate(module, data, verbose=False)
    scores = similarities(module, data.sets[0].dataset(None), "video")
    balanced = binary_codes((scores - scores.mean(0)).numpy(), 4)
    assert (codes_of_sets[0]["video"] == balanced).all()
    assert (codes_of_sets[0]["video"] != binary_codes(scores.numpy(), 4)).any()


class _Searches(RetrievalFigures):
    """Record the results."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.found: list[Any] = []

    def _draw(self, trainer: Any, retrieval_set: Any, searches: Any) -> None:
        self.found.append(searches)
        super()._draw(trainer, retrieval_set, searches)


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize(("query", "gallery"), [("text", "video+audio"), ("video", "text")])
def test_retrieved_clips_are_the_nearest(
    query: str, gallery: str, similarity: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[Any] = []
    monkeypatch.setattr(
        retrieval_figures, "retrieved_figure", lambda s, t: figures.append(s) or retrieved_figure(s, t)
    )
    data = SetData()
    callback = RetrievalFigures(f"{query}->{gallery}", num_queries=6, k=4, similarity=similarity)
    trainer(callback, default_root_dir=tmp_path).validate(Anchored(), data, verbose=False)
    samples: Any = data.sets[0].dataset(None)
    features = {name: nn.functional.normalize(stream, dim=1) for name, stream in samples.streams.items()}
    features["video+audio"] = (features["video"] + features["audio"]) / 2
    scale = features[gallery].norm(dim=1) if similarity == "cosine" else 1
    scores = features[query] @ features[gallery].T / scale
    (searches,) = figures
    assert len({search.query.title for search in searches}) == 6
    for search in searches:
        row = int("".join(c for c in search.query.title if c.isdigit()).removesuffix("5" * (query == "text")))
        best = scores[row].argsort(descending=True)
        word = "text {} über $5" if gallery == "text" else "clip{}"
        assert [found.item.title for found in search.found] == [word.format(j) for j in best[:4].tolist()]
        assert [found.match for found in search.found] == (best[:4] == row).tolist()
        assert search.rank == 1 + best.tolist().index(row)
        assert (search.query.thumbnail is None) == (query == "text")
        assert (search.found[0].item.thumbnail is None) == (gallery == "text")


@pytest.mark.usefixtures("published")
def test_queries_stay_the_same_and_unreadable_ones_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, callback = SetData(), _Searches(num_queries=5, every_n_epochs=1)
    run = trainer(callback, max_epochs=2, num_sanity_val_steps=1, default_root_dir=tmp_path)
    run.fit(Anchored(), datamodule=data)
    first, second = callback.found
    assert first.queries.tolist() == second.queries.tolist()
    assert len(first.queries) == 5
    samples: Any = data.sets[0].dataset(None)
    samples.replaced[first.queries[1]] = 0
    with caplog.at_level("INFO"):
        trainer(callback, default_root_dir=tmp_path).validate(Anchored(), data, verbose=False)
    assert callback.found[-1].queries.tolist() == first.queries[[0, 2, 3, 4]].tolist()
    assert callback.found[-1].size == 36
    assert "1 queries of pairs could not be read" in caplog.text


@pytest.mark.parametrize("callback", [AnchorFigures(), RetrievalFigures()])
def test_wrong_methods_and_data_are_refused_at_start(callback: Any) -> None:
    with pytest.raises(MisconfigurationException, match="which BoringModel is not"):
        trainer(callback).test(BoringModel(), SetData(), verbose=False)
    with pytest.raises(MisconfigurationException, match="evaluation sets"):
        trainer(callback).test(Anchored(), SetData().test_dataloader(), verbose=False)


def test_features_that_are_not_there_are_named() -> None:
    with pytest.raises(MisconfigurationException, match="text\\+audio"):
        trainer(RetrievalFigures("video->text+audio")).test(Anchored(), SetData(), verbose=False)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: AnchorFigures(every_n_epochs=0), "every_n_epochs must be at least 1, got 0"),
        (lambda: AnchorFigures(max_samples=0), "max_samples must be at least 1"),
        (lambda: RetrievalFigures(k=0), "k must be at least 1"),
        (lambda: RetrievalFigures("text"), "expected `<query>-><gallery>`"),
        (lambda: RetrievalFigures(similarity="euclidean"), "expected cosine or dot"),
    ],
)
def test_wrong_options_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
