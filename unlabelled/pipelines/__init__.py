"""Sample pipelines: from a media file, an image or features to the tensors of a sample."""

from unlabelled.pipelines.audio import AudioPipeline
from unlabelled.pipelines.audio_visual import AudioVisualPipeline
from unlabelled.pipelines.base import ClipPipeline, ImagePipeline, SamplePipeline
from unlabelled.pipelines.clips import AugmentedClip, ContrastiveClips
from unlabelled.pipelines.contrastive_audio import ContrastiveAudio
from unlabelled.pipelines.detection import DetectionImages
from unlabelled.pipelines.features import FeaturePipeline
from unlabelled.pipelines.frame_and_audio import FrameAndAudio
from unlabelled.pipelines.images import ContrastiveImages, LabelledImages
from unlabelled.pipelines.key_frames import KeyFrameClips
from unlabelled.pipelines.labelled_clips import LabelledClips
from unlabelled.pipelines.segmented_clips import SegmentedClips
from unlabelled.pipelines.transformed_clips import TransformedClips
from unlabelled.pipelines.uncropped_clips import UncroppedClips

__all__ = [
    "AudioPipeline",
    "AudioVisualPipeline",
    "AugmentedClip",
    "ClipPipeline",
    "ContrastiveAudio",
    "ContrastiveClips",
    "ContrastiveImages",
    "DetectionImages",
    "FeaturePipeline",
    "FrameAndAudio",
    "ImagePipeline",
    "KeyFrameClips",
    "LabelledClips",
    "LabelledImages",
    "SamplePipeline",
    "SegmentedClips",
    "TransformedClips",
    "UncroppedClips",
]
