"""Steganalysis: detectors that tell attacked images from others by the statistics of their pixels."""

from __future__ import annotations

from limen.detection.detector import (
    Detector,
    DetectorError,
    Origin,
    fit_detector,
    read_detector,
    train_detector,
    write_detector,
)
from limen.detection.ensemble import MOST_LEARNERS, Ensemble, check_dimension, train_ensemble
from limen.detection.features import FEATURES, Colour, FeatureSet, feature_count, features
from limen.detection.fisher import direction, threshold
from limen.detection.folder import Unreadable, Verdict, image_files, judge_files
from limen.detection.subspaces import search_dimension

__all__ = [
    "FEATURES",
    "MOST_LEARNERS",
    "Colour",
    "Detector",
    "DetectorError",
    "Ensemble",
    "FeatureSet",
    "Origin",
    "Unreadable",
    "Verdict",
    "check_dimension",
    "direction",
    "feature_count",
    "features",
    "fit_detector",
    "image_files",
    "judge_files",
    "read_detector",
    "search_dimension",
    "threshold",
    "train_detector",
    "train_ensemble",
    "write_detector",
]
