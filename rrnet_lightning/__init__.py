"""RR-Net: reasoning over the graphs inside and between two modalities, as a score on every candidate pair."""

__version__ = "0.1.0"
