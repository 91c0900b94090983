from .base import RatingBaseline
from .factorisation import BiasedMF, SVDpp
from .lightgcn import LightGCN
from .scorer import Scorer
from .social import SocialMF, SoReg, TrustMF, TrustSVD
from .tables import Table, TrainingRatings

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
