"""Generators that map two tables of features into one common space, fitted on known pairs."""

from rrnet_lightning.candidates.retrieval.dscmr import DSCMR, DSCMRSpace
from rrnet_lightning.candidates.retrieval.dscmr_module import DSCMRModule
from rrnet_lightning.candidates.retrieval.dual_encoder import DualEncoder, DualEncoderSpace
from rrnet_lightning.candidates.retrieval.linear import CCA, Cosine, LinearSpace, Ridge
from rrnet_lightning.candidates.retrieval.module import DualEncoderModule
from rrnet_lightning.candidates.retrieval.search import rank_of, top_k
from rrnet_lightning.candidates.retrieval.semantic import SemanticMatching, SemanticSpace
from rrnet_lightning.candidates.retrieval.several import Several
from rrnet_lightning.candidates.retrieval.space import Space, SpaceGenerator, fit_spaces

__all__ = [
    "CCA",
    "DSCMR",
    "Cosine",
    "DSCMRModule",
    "DSCMRSpace",
    "DualEncoder",
    "DualEncoderModule",
    "DualEncoderSpace",
    "LinearSpace",
    "Ridge",
    "SemanticMatching",
    "SemanticSpace",
    "Several",
    "Space",
    "SpaceGenerator",
    "fit_spaces",
    "rank_of",
    "top_k",
]
