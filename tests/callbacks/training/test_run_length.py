"""The length of a run follows from the number of samples, and a user's own length is kept."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st
from lightning import LightningDataModule, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException

from callbacks import RunLength


class Data(LightningDataModule):
    """A number of samples and a batch size, as of a training set."""

    batch_size = 16
    train_fingerprint = ""

    def __init__(self, num_train_samples: int) -> None:
        super().__init__()
        self.num_train_samples = num_train_samples

    def pass_dataloader(self, epoch: int) -> None: ...
    def shuffled_pass_dataloader(self, epoch: int) -> None: ...
    def fixed_pass_dataloader(self) -> None: ...


def length(samples: int, callback: RunLength, **options: int) -> tuple[int | None, int | None]:
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu", **options)
    trainer.datamodule = Data(samples)  # type: ignore[attr-defined]
    callback.setup(trainer, LightningModule(), "fit")
    return trainer.max_epochs, trainer.check_val_every_n_epoch


@pytest.mark.parametrize(
    ("samples", "expected"), [(450, (80, 10)), (92, (448, 56)), (16000, (20, 2)), (7, (2248, 281))]
)
def test_small_sets_have_more_epochs(samples: int, expected: tuple[int, int]) -> None:
    assert length(samples, RunLength(2250), max_epochs=-1) == expected


def test_own_length_is_kept() -> None:
    assert length(450, RunLength(2250), max_epochs=3, check_val_every_n_epoch=2) == (3, 2)
    assert length(450, RunLength(2250), max_epochs=-1, max_steps=50) == (-1, 1)


@hypothesis.given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 50), st.integers(1, 20))
def test_last_epoch_is_validated(steps: int, per_epoch: int, least: int, validations: int) -> None:
    epochs, interval = RunLength(steps, least, validations).epochs(per_epoch)
    assert epochs % interval == 0
    assert epochs >= least
    wanted = max(steps / per_epoch, least)
    assert wanted / 2 <= epochs <= 2 * wanted + 1
    assert epochs / interval <= 2 * validations + 1


def test_needs_a_training_set() -> None:
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu", max_epochs=-1)
    trainer.datamodule = LightningDataModule()  # type: ignore[attr-defined]
    with pytest.raises(MisconfigurationException, match=r"set trainer.max_epochs"):
        RunLength(10).setup(trainer, LightningModule(), "fit")
    with pytest.raises(ValueError, match=r"num_steps must be at least 1, got 0"):
        RunLength(0)
