"""The processes that read in a run: how many, how they are started, how long they live."""

from __future__ import annotations

from typing import Any, NamedTuple

from datamodules.base import SampleDataModule


class Readers(NamedTuple):
    """The processes that read in a run.

    Args:
        workers: Their number; None: as shipped.
        start: How they are started.
        renewed: End them after each epoch and each pass, instead of keeping them (``persistent_workers``).
    """

    workers: int | None = None
    start: str = "fork"
    renewed: bool = False

    @property
    def name(self) -> str:
        """Name on the command line and in tables."""
        shipped = "shipped" if self.workers is None else str(self.workers)
        start = [] if self.start == "fork" else [self.start]
        return "-".join([shipped, *start, *(["renewed"] if self.renewed else [])])

    @classmethod
    def of(cls, row: dict[str, Any]) -> Readers:
        """Return those of a row of results."""
        return cls(**{name: row[name] for name in cls._fields if name in row})

    def options(self) -> list[str]:
        """Return the options of a run."""
        number = [] if self.workers is None else [f"--data.init_args.num_workers={self.workers}"]
        start = [] if self.start == "fork" else [f"--data.init_args.multiprocessing_context={self.start}"]
        return [*number, *start]

    def prepare(self) -> None:
        """Let the loaders of this process end the processes that read after each epoch, if they are to."""
        if not self.renewed:
            return
        kept = SampleDataModule._loader

        def renewed(*args: Any, **options: Any) -> Any:
            return kept(*args, **{**options, "persistent": False})

        setattr(SampleDataModule, "_loader", renewed)  # noqa: B010 - a method must not be assigned to


SHIPPED = Readers()
_CHOSEN = (
    Readers(0),
    Readers(1),
    Readers(2),
    Readers(4),
    Readers(1, "spawn"),
    Readers(1, "forkserver"),
    Readers(2, renewed=True),
)
READERS = {each.name: each for each in _CHOSEN}
"""Other readers than those shipped, by name."""
