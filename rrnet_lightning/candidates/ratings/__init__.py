"""Models of ratings: each learns a vector for every user and item. Baselines, and generators of initial scores."""

from rrnet_lightning.candidates.ratings.base import RatingBaseline
from rrnet_lightning.candidates.ratings.factorisation import BiasedMF, SVDpp
from rrnet_lightning.candidates.ratings.lightgcn import LightGCN
from rrnet_lightning.candidates.ratings.scorer import Scorer
from rrnet_lightning.candidates.ratings.social import SocialMF, SoReg, TrustMF, TrustSVD
from rrnet_lightning.candidates.ratings.tables import Table, TrainingRatings

__all__ = [
    "BiasedMF",
    "LightGCN",
    "RatingBaseline",
    "SVDpp",
    "Scorer",
    "SoReg",
    "SocialMF",
    "Table",
    "TrainingRatings",
    "TrustMF",
    "TrustSVD",
]
