"""Figures of anchors and retrieval: two processes draw the same as one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callbacks.figures import anchor_panels, retrieval_figures
from callbacks.figures.anchor_figures import AnchorFigures
from callbacks.figures.retrieval_figures import RetrievalFigures
from tests._helpers.anchored_sets import Actions, Anchored, Pairs, SetData, Streams
from tests._helpers.embedding_modules import trainer
from tests._helpers.two_processes import in_two_processes
from unlabelled.visualization.anchor_cases import anchor_cases
from unlabelled.visualization.retrieved import retrieved_figure


def run(**options: Any) -> tuple[dict[str, float], list[Any]]:
    """Test, and return the scores and the inputs of the figures."""
    samples = Streams(1, 45, True)
    samples.present["audio"][::2] = False  # every sample of the first process
    pairs = Pairs("pairs", Streams(0, 30, False))  # its even rows are drawn: all of the first process
    data = SetData(pairs, Actions("actions", samples))
    callbacks = [AnchorFigures(max_samples=15), RetrievalFigures(num_queries=5)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PL_GLOBAL_SEED", "0")  # the fork server may remember that of another test
        drawn = _recorded(patch)
        (scores, *_) = trainer(*callbacks, **options).test(Anchored(), data, verbose=False)
    return dict(scores), drawn


def _recorded(patch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list to which the inputs of figures are appended; no files are written."""
    drawn: list[Any] = []

    def note_cases(codes: Any, labels: Any) -> Any:
        drawn.append((codes, labels))
        return anchor_cases(codes, labels)

    def note_searches(searches: Any, title: str) -> Any:
        drawn.append([_plain(search) for search in searches])
        return retrieved_figure(searches, title)

    patch.setattr(anchor_panels, "anchor_cases", note_cases)
    patch.setattr(retrieval_figures, "retrieved_figure", note_searches)
    for module in (anchor_panels, retrieval_figures):
        patch.setattr(module, "publish", lambda trainer, name, figure: drawn.append(name))
    return drawn


def _plain(search: Any) -> Any:
    return search.query.title, [each.item.title for each in search.found], search.rank, search.size


def _process(folder: str) -> Any:
    return run(devices=2, strategy="ddp")


def test_two_processes_draw_what_one_draws(tmp_path: Path) -> None:
    processes = in_two_processes(_process, tmp_path)
    scores, drawn = run()
    assert len(drawn) > 8
    for rank, (others, there) in enumerate(processes):
        assert others == pytest.approx(scores, abs=1e-5)
        assert len(there) == (0 if rank else len(drawn))
        for one, other in zip(drawn, there, strict=False):
            if isinstance(one, tuple):
                assert set(one[0]) == set(other[0])
                assert all((one[0][name] == other[0][name]).all() for name in one[0])
                assert (one[1] == other[1]).all()
            else:
                assert one == other
