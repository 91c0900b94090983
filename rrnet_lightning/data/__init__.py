"""Files to tensors: readers, splits, downloads and word vectors. Imports nothing else of this project."""

from .candidates import HELD, TEST, TRAIN, UNLABELLED, VAL, Candidates, cross_fit
from .checks import check_finite
from .cifar import Images, read_cifar, read_cifar_tiles
from .core import k_core
from .digits import DIGIT_FEATURES, DIGIT_NAMES, digit_candidates
from .discriminants import discriminants
from .download import download, unzip
from .errors import DataError
from .esc import EscClips, read_esc
from .esc_fetch import fetch_esc50
from .ratings import Ratings, read_ciao, read_filmtrust, read_ratings
from .root import cache_root, data_root, dataset_folder
from .sets import RATING_SETS, RatingSet
from .similarity import co_rating_neighbors
from .sources import fetch_rating_set
from .splits import Split, fold_split, read_pairs, read_split_dir
from .statistics import RatingStatistics, rating_statistics
from .word_vectors import SPELLING_DIM, class_vectors, spelling_vectors

__all__ = [
    "DIGIT_FEATURES",
    "DIGIT_NAMES",
    "HELD",
    "RATING_SETS",
    "SPELLING_DIM",
    "TEST",
    "TRAIN",
    "UNLABELLED",
    "VAL",
    "Candidates",
    "DataError",
    "EscClips",
    "Images",
    "RatingSet",
    "RatingStatistics",
    "Ratings",
    "Split",
    "cache_root",
    "check_finite",
    "class_vectors",
    "co_rating_neighbors",
    "cross_fit",
    "data_root",
    "dataset_folder",
    "digit_candidates",
    "discriminants",
    "download",
    "fetch_esc50",
    "fetch_rating_set",
    "fold_split",
    "k_core",
    "rating_statistics",
    "read_ciao",
    "read_cifar",
    "read_cifar_tiles",
    "read_esc",
    "read_filmtrust",
    "read_pairs",
    "read_ratings",
    "read_split_dir",
    "spelling_vectors",
    "unzip",
]
