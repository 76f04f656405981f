"""What happens beside the gradient step."""

from callbacks.anchor_pictures import AnchorPictures
from callbacks.batchnorm import BatchNormWarmup
from callbacks.centroid_update import CentroidUpdate
from callbacks.cluster_evaluation import ClusterEvaluation
from callbacks.cluster_pictures import ClusterPictures
from callbacks.clustering import ClusteringPass, RememberedClusteringPass
from callbacks.correspondence import CorrespondenceEvaluation
from callbacks.cpu_threads import CPUThreads
from callbacks.data_counts import DataCounts
from callbacks.degradation import Degradation
from callbacks.export import ExportEncoder
from callbacks.export_features import ExportFeatures
from callbacks.fixed_clustering import FixedClusteringPass
from callbacks.hierarchy_evaluation import HierarchyEvaluation
from callbacks.hierarchy_pictures import HierarchyPictures
from callbacks.kmeans_evaluation import KMeansEvaluation
from callbacks.knn_evaluation import KNNEvaluation
from callbacks.linear_evaluation import LinearEvaluation
from callbacks.localisation import Localisation
from callbacks.predictions import ClusterPredictions
from callbacks.queue_update import QueueUpdate
from callbacks.retrieval_evaluation import RetrievalEvaluation
from callbacks.retrieval_features import MaxPooledMaps, PooledFeatures, RetrievalFeatures
from callbacks.retrieval_pictures import RetrievalPictures
from callbacks.seeded_steps import SeededSteps
from callbacks.sound_svm_evaluation import SoundSVMEvaluation
from callbacks.step_localisation import StepLocalisation
from callbacks.svm_evaluation import SVMEvaluation
from callbacks.target_update import TargetUpdate
from callbacks.throughput import Throughput
from callbacks.training_mode_clustering import TrainingModeClusteringPass
from callbacks.zero_shot_classification import ZeroShotClassification
from callbacks.zero_shot_retrieval import ZeroShotRetrieval

__all__ = [
    "AnchorPictures",
    "BatchNormWarmup",
    "CPUThreads",
    "CentroidUpdate",
    "ClusterEvaluation",
    "ClusterPictures",
    "ClusterPredictions",
    "ClusteringPass",
    "CorrespondenceEvaluation",
    "DataCounts",
    "Degradation",
    "ExportEncoder",
    "ExportFeatures",
    "FixedClusteringPass",
    "HierarchyEvaluation",
    "HierarchyPictures",
    "KMeansEvaluation",
    "KNNEvaluation",
    "LinearEvaluation",
    "Localisation",
    "MaxPooledMaps",
    "PooledFeatures",
    "QueueUpdate",
    "RememberedClusteringPass",
    "RetrievalEvaluation",
    "RetrievalFeatures",
    "RetrievalPictures",
    "SVMEvaluation",
    "SeededSteps",
    "SoundSVMEvaluation",
    "StepLocalisation",
    "TargetUpdate",
    "Throughput",
    "TrainingModeClusteringPass",
    "ZeroShotClassification",
    "ZeroShotRetrieval",
]
