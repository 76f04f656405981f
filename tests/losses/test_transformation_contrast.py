"""The contrast under transformations: a worked example, the nine hypotheses by brute force, edge cases."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.losses import Stance, Term, contrast_terms, transformation_contrast
from unlabelled.losses.transformation_contrast import similarities, term_logits

V: Stance = "variant"
I: Stance = "invariant"  # noqa: E741
HYPOTHESES: dict[int, tuple[Stance | None, Stance | None]] = {  # reversal, shift; as the released code counts
    1: (None, None),
    2: (V, None),
    3: (I, None),
    4: (None, V),
    5: (None, I),
    6: (V, V),
    7: (I, V),
    8: (V, I),
    9: (I, I),
}
# What the released code's training loop adds up, with which weight: kind, copy, its transformed copy.
X, R, S, SR = (0, 0), (0, 1), (1, 0), (1, 1)
RECIPES: dict[int, list[tuple[float, str, tuple[int, int], tuple[int, int] | None]]] = {
    1: [(1, "base", X, None)],
    2: [(1, V, X, R)],
    3: [(0.5, "base", X, R), (0.5, I, X, R)],
    4: [(1, V, X, S)],
    5: [(0.5, "base", X, S), (0.5, I, X, S)],
    6: [(1 / 4, V, X, R), (1 / 4, V, S, SR), (1 / 4, V, X, S), (1 / 4, V, R, SR)],
    7: [(0.2, "base", X, R), (0.2, I, X, R), (0.2, I, S, SR), (0.2, V, X, S), (0.2, V, R, SR)],
    8: [(0.2, "base", X, S), (0.2, V, X, R), (0.2, V, S, SR), (0.2, I, X, S), (0.2, I, R, SR)],
    9: [
        *((1 / 6, "base", X, other) for other in (R, S)),
        *((1 / 6, I, *pair) for pair in ((X, R), (S, SR), (X, S), (R, SR))),
    ],
}


def codes(seed: int = 0, clips: int = 5, dim: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, clips, 2, 2, dim)
    video, audio = F.normalize(torch.randn(shape, generator=generator, dtype=torch.float64), dim=4)
    return video, audio


def terms_of(hypothesis: int) -> list[Term]:
    reversal, shift = HYPOTHESES[hypothesis]
    return contrast_terms(shift, reversal)


def nce(query: Tensor, positive: Tensor, negatives: list[Tensor], temperature: float) -> float:
    scores = [float(query @ key) / temperature for key in (positive, *negatives)]
    return math.log(sum(math.exp(score - scores[0]) for score in scores))


def two_sided(
    kind: str, one: tuple[int, int], other: tuple[int, int] | None, video: Tensor, audio: Tensor
) -> float:
    """One call of the code's loss, clip by clip, with negatives from all clips of the batch."""
    losses = []
    for asked, found in ((video, audio), (audio, video)):
        for mine, its in ((one, other), (other, one)):
            if mine is None:
                continue
            for i in range(len(video)):
                key = its if kind == I else mine
                assert key is not None
                negatives = [found[j][key] for j in range(len(video)) if j != i]
                if its is not None:
                    rest = mine if kind == I else its
                    negatives += [found[j][rest] for j in range(len(video)) if j != i or kind == V]
                losses.append(nce(asked[i][mine], found[i][key], negatives, 0.07))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("hypothesis", HYPOTHESES)
def test_a_hypothesis_by_brute_force(hypothesis: int) -> None:
    video, audio = codes(hypothesis)
    wanted = sum(
        weight * two_sided(kind, copy, transformed, video, audio)
        for weight, kind, copy, transformed in RECIPES[hypothesis]
    )
    assert sum(weight for weight, *_ in RECIPES[hypothesis]) == pytest.approx(1)
    found = transformation_contrast(3 * video, audio / 7, terms_of(hypothesis))
    assert float(found.loss) == pytest.approx(wanted, rel=1e-9)
    needed = [1 if stance is None else 2 for stance in reversed(HYPOTHESES[hypothesis])]
    fewer_video, fewer_audio = (part[:, : needed[0], : needed[1]] for part in (video, audio))
    found = transformation_contrast(fewer_video, fewer_audio, terms_of(hypothesis))
    assert float(found.loss) == pytest.approx(wanted, rel=1e-9)


def test_one_direction_of_the_worked_example() -> None:
    """Computed with facebookresearch/GDT, gdt_helper.py; docs/methods/selavi.md#worked-examples."""
    term = next(term for term in contrast_terms(None, V) if term.query == (0, 0))
    queries = torch.eye(2, dtype=torch.float64).view(2, 1, 1, 2).expand(-1, 1, 2, -1)
    positives = torch.tensor([[0.6, 0.8], [0.8, 0.6]], dtype=torch.float64)
    negatives = torch.tensor([[0.707107, 0.707107], [0, -1]], dtype=torch.float64)
    keys = torch.stack([positives, negatives], 1)[:, None]
    logits, own = term_logits(term, similarities(queries, keys) / 0.07, 0)
    assert logits.shape == (2, 4)
    assert float(F.cross_entropy(logits, own)) == pytest.approx(3.136816, abs=1e-5)


def test_reports_have_the_names_of_their_terms() -> None:
    video, audio = codes()
    for hypothesis, (reversal, shift) in HYPOTHESES.items():
        found = transformation_contrast(video, audio, terms_of(hypothesis))
        names = {name for name, stance in (("reversal", reversal), ("shift", shift)) if stance}
        names |= {"cross_modal"} if I in (reversal, shift) or not names else set()
        assert set(found.report) == {f"{what}_{name}" for what in ("loss", "accuracy") for name in names}
        shares = {name: sum(term.name == name for term in terms_of(hypothesis)) for name in names}
        parts = sum(found.report[f"loss_{name}"] * share for name, share in shares.items())
        torch.testing.assert_close(parts / sum(shares.values()), found.loss)


def test_variance_and_invariance_want_opposite_codes() -> None:
    """Copies with one code, and copies with codes of their own, each equal in video and audio."""
    same = torch.eye(4).view(4, 1, 1, 4).expand(-1, 2, 2, -1)
    apart = torch.eye(16).view(4, 2, 2, 16)
    for stance, low, high in ((I, same, apart), (V, apart, same)):
        for terms in (contrast_terms(stance, None), contrast_terms(None, stance)):
            good, bad = (transformation_contrast(part, part, terms) for part in (low, high))
            assert float(good.loss) < 1e-4
            assert float(bad.loss) > 0.5
            (name,) = {term.name for term in terms} - {"cross_modal"}
            assert good.report[f"accuracy_{name}"] == 1


def test_only_queries_have_a_gradient() -> None:
    video, audio = (part.requires_grad_() for part in codes())
    terms = contrast_terms(V, I)
    for mine, other in ((video, audio), (audio, video)):
        (whole,) = torch.autograd.grad(transformation_contrast(video, audio, terms).loss, mine)
        logits = similarities(mine, other.detach()) / 0.07
        half = torch.stack([F.cross_entropy(*term_logits(term, logits, 0)) for term in terms]).mean() / 2
        (wanted,) = torch.autograd.grad(half, mine)
        tangent = wanted - (wanted * mine).sum(3, keepdim=True) * mine  # codes are normalised before
        torch.testing.assert_close(whole, tangent.detach())
        assert whole.abs().max() > 1e-3


def test_one_clip_alone_has_no_negatives_but_its_copies() -> None:
    video, audio = codes(clips=1)
    assert float(transformation_contrast(video, audio, contrast_terms(None, None)).loss) == 0
    assert float(transformation_contrast(video, audio, contrast_terms(I, I)).loss) == 0
    assert float(transformation_contrast(video, audio, contrast_terms(V, None)).loss) > 0


@pytest.mark.parametrize("hypothesis", [1, 6, 9])
def test_autocast_does_not_touch_the_cosines(hypothesis: int) -> None:
    video, audio = (part.float() for part in codes())
    plain = transformation_contrast(video, audio, terms_of(hypothesis)).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = transformation_contrast(video, audio, terms_of(hypothesis)).loss
        assert (
            transformation_contrast(video.bfloat16(), audio.bfloat16(), terms_of(1)).loss.dtype
            == torch.float32
        )
    assert torch.equal(found, plain)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 0.0}, r"temperature is 0\.0"),
        ({"audio": torch.ones(4, 2, 2, 6)}, r"got \(5, 2, 2, 6\) and \(4, 2, 2, 6\)"),
        ({"video": torch.ones(5, 6), "audio": torch.ones(5, 6)}, "shifts, directions"),
        (
            {"video": torch.ones(5, 1, 2, 6), "audio": torch.ones(5, 1, 2, 6)},
            r"2 shift\(s\) and 2 .* \(1, 2\)",
        ),
    ],
)
def test_complaints(change: dict[str, Any], message: str) -> None:
    video, audio = codes()
    with pytest.raises(ValueError, match=message):
        transformation_contrast(**{"video": video, "audio": audio, "terms": contrast_terms(V, V), **change})


def test_an_unknown_stance_is_refused() -> None:
    with pytest.raises(ValueError, match=r"reversal='equivariant'; expected variant, invariant or None"):
        contrast_terms("variant", "equivariant")
