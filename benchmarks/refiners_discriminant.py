"""All peers: those of `refiners`, and three of them again with neighbours in linear discriminants, as RR-Net's."""

from benchmarks.refiners import PEERS as PLAIN

SHRINKAGE = 0.3  # RR-Net's
PEERS = PLAIN | {
    f"{name}-discriminant": PLAIN[name]._replace(
        title=f"{PLAIN[name].title}, in linear discriminants", discriminant=SHRINKAGE
    )
    for name in ("knn", "knn+backbone", "lp")
}
