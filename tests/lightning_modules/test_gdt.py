"""GDT: which copies it looks at, what it learns of them, and how it judges pairs."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_modules import GDT
from tests.lightning_modules.test_dmc import Plain
from unlabelled.contracts import Embeds, HasEncoders, ScoresPairs
from unlabelled.encoders import Encoder, SmallAudioEncoder
from unlabelled.losses import contrast_terms, transformation_contrast
from unlabelled.nn.heads import MLP

ADAM = partial(torch.optim.Adam, lr=1e-2)
HEAD = partial(MLP, hidden_dim=16, out_dim=8)


class Silent(GDT):
    """There is no trainer to log to."""

    def log(self, *args: Any, **kwargs: Any) -> None:
        self.logged = {**getattr(self, "logged", {}), args[0]: float(args[1])}


class Counting(Plain):
    """Remembers what it has seen."""

    def __init__(self, modality: str) -> None:
        super().__init__(modality)
        self.seen: list[Tensor] = []

    def feature_maps(self, inputs: Tensor) -> Tensor:
        self.seen.append(inputs)
        return super().feature_maps(inputs)


def gdt(**options: Any) -> Silent:
    torch.manual_seed(0)
    encoders: dict[str, Encoder] = {"visual_encoder": Counting("image"), "audio_encoder": Counting("audio")}
    return Silent(**{**encoders, "optimizer": ADAM, "projector": HEAD, **options})


def batch(rows: int = 6, shifts: int = 2, directions: int = 2) -> dict[str, Any]:
    """Copies of clips that have something in common in video and audio, and something of each copy."""
    generator = torch.Generator().manual_seed(1)

    def copy(own: Tensor) -> dict[str, Tensor]:
        both = torch.randn(rows, 1, 8, 8, generator=generator) + 2 * own
        return {"image": both.expand(-1, 3, -1, -1), "audio": both}

    common = torch.randn(rows, 1, 8, 8, generator=generator)
    return {"views": [[copy(common) for _ in range(directions)] for _ in range(shifts)]}


@pytest.mark.parametrize(
    ("shift", "reversal", "needed"),
    [(None, None, [(0, 0)]), (None, "variant", [(0, 0), (0, 1)]), ("invariant", None, [(0, 0), (1, 0)])],
)
def test_only_what_the_hypothesis_needs_is_looked_at(shift: Any, reversal: Any, needed: list[Any]) -> None:
    method, views = gdt(shift=shift, reversal=reversal), batch()["views"]
    method.training_step({"views": views}, 0)
    for name, encoder in method.encoders.items():
        assert len(encoder.seen) == len(needed)
        for (one, other), seen in zip(needed, encoder.seen, strict=True):
            assert seen is views[one][other][name]


def test_a_batch_without_views_is_one_copy() -> None:
    (single,) = (view for shift in batch(shifts=1, directions=1)["views"] for view in shift)
    alone = gdt(shift=None, reversal=None).training_step(single, 0)["loss"]
    wrapped = gdt(shift=None, reversal=None).training_step({"views": [[single]]}, 0)["loss"]
    assert torch.equal(alone, wrapped)
    with pytest.raises(ValueError, match=r"2 start\(s\) in 2 direction\(s\), got 1 start\(s\)"):
        gdt().training_step(single, 0)


def test_the_step_is_the_contrast_of_all_copies() -> None:
    method, views = gdt(shift="variant", reversal="invariant", temperature=0.2), batch()["views"]
    found = method.training_step({"views": views}, 0)["loss"]
    codes = {}
    for name in ("image", "audio"):
        tower = torch.nn.Sequential(method.encoders[name], method.projectors[name])
        copies = [F.normalize(tower(views[row][column][name]), dim=1) for row in (0, 1) for column in (0, 1)]
        codes[name] = torch.stack(copies, 1).unflatten(1, (2, 2))
    terms = contrast_terms("variant", "invariant")
    wanted = transformation_contrast(codes["image"], codes["audio"], terms, 0.2)
    torch.testing.assert_close(found, wanted.loss)
    assert set(wanted.report) == {
        f"{what}_{name}" for what in ("loss", "accuracy") for name in ("shift", "reversal", "cross_modal")
    }
    logged = {f"train/{name}": float(value) for name, value in wanted.report.items()}
    assert method.logged == pytest.approx({"train/loss": float(found.detach()), **logged})
    found.backward()
    for name, parameter in method.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all()


def test_it_learns_to_distinguish_clips_and_copies() -> None:
    method, clips = gdt(), batch()
    optimizer = ADAM(method.parameters())
    losses = []
    for _ in range(60):
        loss = method.training_step(clips, 0)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]
    assert min(method.logged[f"train/accuracy_{name}"] for name in ("shift", "reversal")) > 0.9
    method.eval()
    held = method.evaluation_step(clips["views"][1][1])
    visual, audio = held["pair_codes"]["visual"], held["pair_codes"]["audio"]
    cosines = method.pair_scores(visual.repeat_interleave(6, 0), audio.repeat(6, 1)).view(6, 6)
    torch.testing.assert_close(cosines, visual @ audio.T)
    assert cosines.argmax(1).tolist() == list(range(6))
    assert {name: tuple(value.shape) for name, value in held["features"].items()} == {
        "image": (6, 12),
        "audio": (6, 12),
    }


def test_codes_are_float32_under_autocast() -> None:
    method, clips = gdt(), batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        codes = method.project(method.embed(clips["views"][0][0]))
    assert {code.dtype for code in codes.values()} == {torch.float32}
    for code in codes.values():
        torch.testing.assert_close(code.norm(dim=1), torch.ones(6))


def test_it_keeps_the_contracts() -> None:
    method = gdt()
    for contract in (Embeds, HasEncoders, ScoresPairs):
        assert isinstance(method, contract)
    assert method.pair_threshold is None


@pytest.mark.parametrize(
    ("options", "clips", "message"),
    [
        ({}, {}, r"2 start\(s\) in 2 direction\(s\), got 0"),
        ({}, batch(shifts=1), "TransformedClips"),
        ({"shift": None}, batch(directions=1), r"1 start\(s\) in 2 direction\(s\), got 2"),
    ],
)
def test_copies_that_are_missing(options: dict[str, Any], clips: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gdt(**options).training_step(clips, 0)


def test_complaints() -> None:
    with pytest.raises(ValueError, match="shift='none'"):
        gdt(shift="none")
    with pytest.raises(ValueError, match="expected image or video, and audio"):
        gdt(visual_encoder=SmallAudioEncoder(2))
