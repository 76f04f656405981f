"""Callbacks: clustering passes, evaluation, figures and exports."""

from callbacks.evaluation.audio_svm_evaluation import AudioSVMEvaluation
from callbacks.evaluation.cluster_evaluation import ClusterEvaluation
from callbacks.evaluation.correspondence_evaluation import CorrespondenceEvaluation
from callbacks.evaluation.degradation import Degradation
from callbacks.evaluation.hierarchy_evaluation import HierarchyEvaluation
from callbacks.evaluation.kmeans_evaluation import KMeansEvaluation
from callbacks.evaluation.knn_evaluation import KNNEvaluation
from callbacks.evaluation.learning_checks import LearningChecks
from callbacks.evaluation.linear_evaluation import LinearEvaluation
from callbacks.evaluation.localisation import Localisation
from callbacks.evaluation.multi_source_localisation import MultiSourceLocalisation
from callbacks.evaluation.retrieval_evaluation import (
    MaxPooledMaps,
    PooledFeatures,
    RetrievalEvaluation,
    RetrievalFeatures,
)
from callbacks.evaluation.step_localisation import StepLocalisation
from callbacks.evaluation.svm_evaluation import SVMEvaluation
from callbacks.evaluation.transfer_evaluation import TransferEvaluation
from callbacks.evaluation.zero_shot_classification import ZeroShotClassification
from callbacks.evaluation.zero_shot_retrieval import ZeroShotRetrieval
from callbacks.export.cluster_page import ClusterPage
from callbacks.export.cluster_predictions import ClusterPredictions
from callbacks.export.export_encoder import ExportEncoder
from callbacks.export.export_features import ExportFeatures
from callbacks.figures.anchor_figures import AnchorFigures
from callbacks.figures.cluster_figures import ClusterFigures
from callbacks.figures.hierarchy_figures import HierarchyFigures
from callbacks.figures.retrieval_figures import RetrievalFigures
from callbacks.training.batchnorm_warmup import BatchNormWarmup
from callbacks.training.centroid_update import CentroidUpdate
from callbacks.training.clustering_pass import ClusteringPass
from callbacks.training.cpu_threads import CPUThreads
from callbacks.training.data_counts import DataCounts
from callbacks.training.divergence_checks import DivergenceChecks
from callbacks.training.fixed_clustering_pass import FixedClusteringPass
from callbacks.training.queue_update import QueueUpdate
from callbacks.training.rank_timeout import RankTimeout
from callbacks.training.remembered_clustering_pass import RememberedClusteringPass
from callbacks.training.resumable_run import ResumableRun
from callbacks.training.run_length import RunLength
from callbacks.training.seeded_steps import SeededSteps
from callbacks.training.stop_at_signal import StopAtSignal
from callbacks.training.target_update import TargetUpdate
from callbacks.training.throughput import Throughput
from callbacks.training.time_left import TimeLeft
from callbacks.training.training_mode_clustering_pass import TrainingModeClusteringPass
from callbacks.training.weight_average import WeightAverage

__all__ = [
    "AnchorFigures",
    "AudioSVMEvaluation",
    "BatchNormWarmup",
    "CPUThreads",
    "CentroidUpdate",
    "ClusterEvaluation",
    "ClusterFigures",
    "ClusterPage",
    "ClusterPredictions",
    "ClusteringPass",
    "CorrespondenceEvaluation",
    "DataCounts",
    "Degradation",
    "DivergenceChecks",
    "ExportEncoder",
    "ExportFeatures",
    "FixedClusteringPass",
    "HierarchyEvaluation",
    "HierarchyFigures",
    "KMeansEvaluation",
    "KNNEvaluation",
    "LearningChecks",
    "LinearEvaluation",
    "Localisation",
    "MaxPooledMaps",
    "MultiSourceLocalisation",
    "PooledFeatures",
    "QueueUpdate",
    "RankTimeout",
    "RememberedClusteringPass",
    "ResumableRun",
    "RetrievalEvaluation",
    "RetrievalFeatures",
    "RetrievalFigures",
    "RunLength",
    "SVMEvaluation",
    "SeededSteps",
    "StepLocalisation",
    "StopAtSignal",
    "TargetUpdate",
    "Throughput",
    "TimeLeft",
    "TrainingModeClusteringPass",
    "TransferEvaluation",
    "WeightAverage",
    "ZeroShotClassification",
    "ZeroShotRetrieval",
]
