"""Features of any files from a checkpoint."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import ArgumentError, ArgumentParser
from torch.utils.data import DataLoader

from lightning_modules.base import BaseModule
from unlabelled.batch import Features
from unlabelled.checkpoints import DATA_KEY, check_hyper_parameters, read_checkpoint
from unlabelled.data.datasets.clip_names import ClipName
from unlabelled.data.datasets.loose_files import FileBatch, LooseFiles, collate_files
from unlabelled.data.left_out import list_left_out
from unlabelled.data.media.cached_reader import CachedReader
from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.reader import Reader
from unlabelled.data.media.segments import Segments
from unlabelled.pipelines.base import ClipPipeline, ImagePipeline, SamplePipeline, keep_missing_audio
from unlabelled.renamed import with_present_names

_log = logging.getLogger(__name__)


class TrainedEncoder:
    """Computes the features of files with a trained method, as its evaluations do.

    Args:
        method: The method, in evaluation mode.
        pipeline: Makes the tensors of a file.
        reader: Decodes media files; images are read without it.
        batch_size: Files in a batch.
        num_workers: Number of processes that read.
        segments: Division of long files into clips, for :meth:`embed_clips`; None: each file is one clip.

    Raises:
        ValueError: The pipeline reads pre-extracted features, not files.
    """

    def __init__(
        self,
        method: BaseModule,
        pipeline: SamplePipeline,
        reader: Reader | None = None,
        batch_size: int = 16,
        num_workers: int = 0,
        segments: Segments | None = None,
    ) -> None:
        if not isinstance(pipeline, ClipPipeline | ImagePipeline):
            raise ValueError(
                f"{type(method).__name__} with {type(pipeline).__name__} reads extracted features, no files"
            )
        self.method, self.pipeline, self.reader = method.eval(), pipeline, reader
        self.batch_size, self.num_workers, self.segments = batch_size, num_workers, segments

    @property
    def reads_images(self) -> bool:
        """True for image files, False for video or audio files."""
        return isinstance(self.pipeline, ImagePipeline)

    def embed(self, paths: Sequence[str | Path]) -> Features:
        """Return ``{modality: (N, D)}`` float32, row i of path i; NaN for files that cannot be read.

        Files that cannot be read are logged with the reason.

        Raises:
            ValueError: There is no path, or no file can be read.
        """
        return self._features(LooseFiles([str(path) for path in paths], self.pipeline, self.reader))

    def embed_clips(self, paths: Sequence[str | Path]) -> tuple[list[ClipName], Features]:
        """Return the clips that :attr:`segments` divides files into, and their features as :meth:`embed`."""
        data = LooseFiles([str(path) for path in paths], self.pipeline, self.reader, self.segments)
        return data.clips, self._features(data)

    @torch.no_grad()
    def _features(self, data: LooseFiles) -> Features:
        features: Features = {}
        reasons: dict[str, list[str]] = {}
        for batch, unread in self._batches(data):
            for row, reason in unread.items():
                reasons.setdefault(reason, []).append(data.clips[row].name)
            if batch is not None:
                for name, feature in self.method.evaluation_step(batch)["features"].items():
                    filled = features.setdefault(name, torch.full((len(data), feature.shape[1]), torch.nan))
                    filled[batch["index"].cpu()] = feature.float().cpu()
        left_out = ", ".join(list_left_out(reasons))
        if not features:
            raise ValueError(f"embed: no file can be read: {left_out or 'no path was given'}")
        if left_out:
            _log.warning("embed: features of files that cannot be read are NaN: %s", left_out)
        return features

    def _batches(self, data: LooseFiles) -> Iterator[FileBatch]:
        if not data.clips:
            return
        loader: DataLoader[Any] = DataLoader(
            data, self.batch_size, num_workers=self.num_workers, collate_fn=collate_files
        )
        for batch, unread in loader:
            if batch is not None:
                moved = self.method.transfer_batch_to_device(batch, self.method.device, 0)
                batch = self.pipeline.finish(moved)
            yield FileBatch(batch, unread)


def load_encoder(checkpoint: str | Path, config: str | Path | None = None, **options: Any) -> TrainedEncoder:
    """Return the encoders of a checkpoint with the pipeline that they were trained with.

    The division of files into clips is that of the run, too. No decoded copies of the files are stored.

    Args:
        checkpoint: A checkpoint that ``fit`` has written.
        config: The configuration of the run, ``config.yaml`` in its log folder; None: the one that the
            checkpoint contains, as those of this version do.
        **options: ``batch_size``, ``num_workers`` and ``segments``; see :class:`TrainedEncoder`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The checkpoint contains no pipeline, and no configuration is given.

    Example::

        encoder = load_encoder("runs/selavi_demo/checkpoints/last.ckpt")
        features = encoder.embed(["a.mp4", "b.mp4"])["video"]
    """
    stored = read_checkpoint(checkpoint)
    if not isinstance(stored.get("state_dict"), dict):
        raise ValueError(f"{checkpoint} contains no weights: it has no state_dict")
    data = stored.get(DATA_KEY)
    if config is not None:
        data = yaml.safe_load(Path(config).read_text("utf-8")).get("data")
    if not isinstance(data, dict) or not isinstance(data.get("init_args"), dict):
        raise ValueError(
            f"{checkpoint} contains no pipeline; give the configuration of its run as well, config.yaml in "
            "its log folder"
        )
    arguments = with_present_names(data)["init_args"]
    kind = _method_of(stored, checkpoint)
    own = arguments.get("test_pipeline") or arguments.get("pipeline")
    pipeline = _build(SamplePipeline, own, checkpoint)
    if pipeline is None:
        name = data.get("class_path")
        raise ValueError(f"{checkpoint}: its data, {name}, have no pipeline that reads files")
    keep_missing_audio(pipeline)
    reader = _build(Reader, arguments.get("reader"), checkpoint) or PyAVReader()
    if isinstance(reader, CachedReader):
        reader = reader.reader
    if seconds := arguments.get("segment_seconds"):
        options.setdefault("segments", Segments(seconds, arguments.get("stride_seconds")))
    with warnings.catch_warnings():  # Lightning's note to authors of modules whose arguments are modules
        warnings.filterwarnings("ignore", ".*is an instance of `nn.Module` and is already saved")
        try:
            method = kind.load_from_checkpoint(checkpoint, map_location="cpu")
        except (TypeError, AttributeError, LookupError) as error:
            raise ValueError(f"{checkpoint}: its method cannot be made as it states: {error}") from error
    return TrainedEncoder(method, pipeline, reader, **options)


def _method_of(stored: dict[str, Any], checkpoint: str | Path) -> type[BaseModule]:
    """Return the class of the method of a checkpoint.

    Raises:
        ValueError: It names something else.
    """
    given = stored.get("hyper_parameters", {})
    check_hyper_parameters(given, checkpoint)
    path = str(with_present_names(given).get("_class_path", ""))
    module, _, name = path.rpartition(".")
    if not module:  # the run was started from Python
        module, name = "lightning_modules", stored.get("unlabelled", {}).get("method", "")
    try:
        found: Any = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{checkpoint}: there is no method {module}.{name}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, BaseModule)):
        raise ValueError(f"{checkpoint} is refused: {module}.{name} is no method")
    return found


def _build(base: type, spec: Any, checkpoint: str | Path) -> Any:
    """Return the object of ``{class_path, init_args}``; None for none.

    Raises:
        ValueError: It is of another class, or has other arguments.
    """
    if spec is None:
        return None
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--it", type=base)
    try:
        return parser.instantiate(parser.parse_object({"it": spec})).it
    except (ArgumentError, TypeError, AttributeError, LookupError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{checkpoint}: its {base.__name__} cannot be made: {reason}") from error
