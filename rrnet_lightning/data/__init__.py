"""Files to tensors: readers, splits, downloads and word vectors. Imports nothing else of this project."""

from .checks import check_finite
from .download import download, unzip
from .errors import DataError
from .ratings import RATING_SETS, Ratings, RatingSet, read_ciao, read_filmtrust, read_ratings
from .root import cache_root, data_root, dataset_folder
from .splits import Split, fold_split, read_split_dir
from .word_vectors import class_vectors, spelling_vectors

__all__ = [
    "RATING_SETS",
    "DataError",
    "RatingSet",
    "Ratings",
    "Split",
    "cache_root",
    "check_finite",
    "class_vectors",
    "data_root",
    "dataset_folder",
    "download",
    "fold_split",
    "read_ciao",
    "read_filmtrust",
    "read_ratings",
    "read_split_dir",
    "spelling_vectors",
    "unzip",
]
