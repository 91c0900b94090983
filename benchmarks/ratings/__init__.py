"""Rating prediction: RR-Net beside rating models, on the same folds."""
