"""Social recommendation: users -> items, ratings on the inter-edges, trust links inside the users."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Literal

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.candidates.ratings.scorer import Scorer
from rrnet_lightning.data.files.root import dataset_folder
from rrnet_lightning.data.ratings.fetch import fetch_rating_set
from rrnet_lightning.data.ratings.reader import Ratings, in_words, read_ratings
from rrnet_lightning.data.ratings.sets import RATING_SETS
from rrnet_lightning.data.splits import fold_split, read_pairs, read_split_dir
from rrnet_lightning.datamodules.base import GraphDataModule
from rrnet_lightning.datamodules.batches import Stage
from rrnet_lightning.errors import DataError
from rrnet_lightning.evidence.ratings import rating_paths, write_evidence, write_scores
from rrnet_lightning.evidence.supports import rating_supports
from rrnet_lightning.graph.build import all_pairs, build_graph, given_edges, given_pairs, no_edges
from rrnet_lightning.graph.schema import INTER, PAIR, SUPPORT

Trust = Literal["both", "truster", "none"]
KEPT = 32
"""Sets of hidden ratings whose supports are kept."""


class SocialDataModule(GraphDataModule):
    """Users are sources, items are targets, ratings are the answers. Trust links are intra-edges between users.

    Training ratings are evidence, except for those that a step hides. A validation rating is never shown before the
    test stage, where it is evidence. A test rating is never shown. What the visible ratings say is written by
    :func:`write_evidence`, anew at each step.

    Args:
        dataset: ``filmtrust``, ``ciao`` or ``ciao_dense`` (its 10-core), under ``root``. Not with ``ratings_path``.
        root: folder of the data sets; default: ``RRNET_DATA``, ``../shared/data`` if it exists, ``~/.cache/rrnet``.
        ratings_path: your own file, ``user item rating`` a line.
        trust_path: your own file, ``truster trustee [weight]`` a line.
        scale: lowest and highest rating possible in your own files; null takes those found, in the test part too.
        outside: a rating outside the scale is an ``error``, or is left out and counted in the log (``drop``). Null is
            ``drop`` for Ciao, which has 34 ratings of 0, else ``error``.
        download: fetch the original files where they are missing.
        url: where to fetch them from, if not from the usual place.
        folds: the ratings are cut at random into so many folds.
        fold: the one that tests.
        seed: of the cut.
        val_share: share of the other folds that validates.
        split_dir: a split of your own instead: ``train.txt``, ``val.txt``, ``test.txt`` in the ratings format.
        candidates: candidate pairs are those ``rated``, or ``all`` users with all items (the paper on FilmTrust).
        attributes: node attributes are ``statistics`` of the visible ratings, four a node, see :func:`write_evidence`;
            or the paper's ``random`` numbers, uniform in [0, 1), drawn once.
        random_dim: width of ``random`` attributes, 128 in the paper.
        neighbors: neighbours of each user and item by co-rating, whose ratings of or by the other end a pair hears
            of; 0 for none.
        supports: in ``pair`` units a pair hears so many ratings of its item by like users, and of like items by its
            user, each by itself, see :func:`.supports.rating_supports`; 0 for none. Needs a ``batch_size`` of null.
        trust: neighbours by trust in ``both`` directions; from trusted user to ``truster`` only; or ``none``.
        scorer: rating model whose estimates are one more column of ``edge_attr``; null for none. With one, a training
            step hides a fold of its ``folds``, not a share of ``mask_ratio``.
        predict_path: file of ``user item`` pairs for ``predict`` to rate; null rates the test pairs.
        evidence: show known ratings. Without, no rating is shown, and every candidate pair passes messages.
        steps_per_epoch: training steps per epoch on full graphs.
        graph: masks and batches, the other options of :class:`GraphDataModule`.

    Raises:
        DataError: bad files or arguments; the message names file and line, or the argument.
    """

    graph_only = ("scorer",)

    def __init__(
        self,
        dataset: str = "filmtrust",
        root: str | None = None,
        ratings_path: str | None = None,
        trust_path: str | None = None,
        scale: tuple[float, float] | None = None,
        outside: Literal["error", "drop"] | None = None,
        download: bool = False,
        url: str | None = None,
        folds: int = 5,
        fold: int = 0,
        seed: int = 0,
        val_share: float = 0.1,
        split_dir: str | None = None,
        candidates: Literal["rated", "all"] = "rated",
        attributes: Literal["statistics", "random"] = "statistics",
        random_dim: int = 128,
        neighbors: int = 20,
        supports: int = 0,
        trust: Trust = "both",
        scorer: Scorer | None = None,
        predict_path: str | None = None,
        evidence: bool = True,
        steps_per_epoch: int = 20,
        **graph: Any,
    ) -> None:
        super().__init__(evidence=evidence, steps_per_epoch=steps_per_epoch, **graph)
        self.dataset, self.root, self.ratings_path, self.trust_path = dataset, root, ratings_path, trust_path
        self.scale, self.outside, self.download, self.url = scale, outside, download, url
        self.folds, self.fold, self.seed, self.val_share, self.split_dir = folds, fold, seed, val_share, split_dir
        self.candidates, self.attributes, self.random_dim = candidates, attributes, random_dim
        self.neighbors, self.supports, self.trust, self.scorer = neighbors, supports, trust, scorer
        self.predict_path = predict_path
        self._ratings: Ratings | None = None
        self._supports: dict[bytes, tuple[Tensor, Tensor]] = {}
        self._check_options()

    def _check_options(self) -> None:
        if self.attributes == "statistics" and not self.evidence:
            raise DataError("attributes: found 'statistics' without evidence, wanted 'random': no rating may be shown")
        if self.scorer is not None and not self.evidence:
            raise DataError("scorer: found one without evidence, wanted null: no rating may be shown")
        if self.supports and (not self.evidence or self.batch_size is not None):
            raise DataError(f"supports: found {self.supports}, wanted 0, or evidence and a batch_size of null with it")
        if self.ratings_path is None and self.dataset not in RATING_SETS:
            names = sorted(RATING_SETS)
            raise DataError(f"dataset: found {self.dataset!r}, wanted one of {names}, or set ratings_path")
        for option, found, least in (
            ("neighbors", self.neighbors, 0),
            ("supports", self.supports, 0),
            ("random_dim", self.random_dim, 1),
        ):
            if found < least:
                raise DataError(f"{option}: found {found}, wanted at least {least}")

    @property
    def source_dim(self) -> int:
        """4 statistics, or ``random_dim``."""
        return 4 if self.attributes == "statistics" else self.random_dim

    @property
    def target_dim(self) -> int:
        """As ``source_dim``."""
        return self.source_dim

    @property
    def edge_dim(self) -> int:
        """3 with evidence, 4 more with ``neighbors``, 2 with ``trust``, 1 with a scorer; 0 without evidence."""
        more = 4 * (self.neighbors > 0) + 2 * (self.trust != "none") + (self.scorer is not None)
        return 3 + more if self.evidence else 0

    @property
    def support_dim(self) -> int:
        """How alike two pairs are, and which of their ends."""
        return 3 if self.supports else 0

    @property
    def ratings(self) -> Ratings:
        """The ratings; there after ``setup``."""
        assert self._ratings is not None, "call setup() first"
        return self._ratings

    @property
    def rating_scale(self) -> tuple[float, float]:
        """Lowest and highest rating possible; there after ``setup``."""
        return self.ratings.scale

    def prepare_data(self) -> None:
        """Fetch the data set if asked to. Read pairs to predict, so that bad ones are refused before loggers start."""
        if self.download and self.ratings_path is None:
            fetch_rating_set(self.dataset, self.root, self.url)
        if self.predict_path is not None and getattr(self.trainer, "predicting", False):
            self.setup()
            read_pairs(self.predict_path, self.ratings)

    def setup(self, stage: str | None = None) -> None:
        """Read and split, once."""
        if self._ratings is not None:
            return
        ratings = self._read()
        if self.split_dir is not None:
            ratings, self.split = read_split_dir(self.split_dir, ratings)
        else:
            of = f"distinct ratings of {self.ratings_path or self.dataset}"
            self.split = fold_split(len(ratings.rating), self.folds, self.fold, self.seed, self.val_share, of)
        self._ratings = ratings
        self.source_ids, self.target_ids = ratings.user_ids, ratings.item_ids
        rank_zero_info(
            f"{len(ratings.rating)} ratings of {ratings.num_users} users and {ratings.num_items} items, "
            f"{ratings.trust.shape[1]} trust links; dropped: {in_words(ratings.dropped)}; "
            f"train {len(self.split.train)}, val {len(self.split.val)}, test {len(self.split.test)}"
        )

    def _read(self) -> Ratings:
        if self.ratings_path is not None:
            own = read_ratings(self.ratings_path, self.trust_path, self.scale, self.outside or "error")
            return own.sorted()  # so that the folds follow from the pairs, not from the order of lines
        known = RATING_SETS[self.dataset]
        hint = "--data.download true fetches it." if known.url else "Fetch it, or --data.download true --data.url ..."
        folder = dataset_folder(known.folder, known.files, self.root, hint)
        return known.read(folder, outside=self.outside) if self.outside else known.read(folder)

    def learnt_rows(self) -> Iterable[object]:
        """Return the ratings that train and validate, and the trust links where they are used."""
        ratings = self.ratings
        for part, rows in (("train", self.split.train), ("val", self.split.val)):
            columns = (ratings.user[rows].tolist(), ratings.item[rows].tolist(), ratings.rating[rows].tolist())
            for user, item, rating in zip(*columns, strict=True):
                yield part, ratings.user_ids[user], ratings.item_ids[item], rating
        if self.trust != "none":
            for one, other in ratings.trust.T.tolist():
                yield "trust", ratings.user_ids[one], ratings.user_ids[other]

    def stage_graph(self, stage: Stage) -> HeteroData:
        """Return the graph of the pairs that the stage may show or asks for; of all with ``candidates: all``."""
        ratings, rated = self.ratings, torch.stack([self.ratings.user, self.ratings.item])
        shown, asked = self._roles(stage)
        rows = (shown | asked).nonzero().squeeze(1)
        pairs, y, shown, asked = rated[:, rows], ratings.rating[rows], shown[rows], asked[rows]
        if stage == "predict" and self.predict_path is not None:
            pairs, y, shown, asked = self._with_wanted(pairs, y, shown)
        sizes = ratings.num_users, ratings.num_items
        if self.candidates == "all":
            place = pairs[0] * ratings.num_items + pairs[1]
            inter = all_pairs(*sizes)
        else:
            inter, order = given_pairs(pairs, *sizes)
            place = order.argsort()

        def spread(values: Tensor) -> Tensor:
            return values.new_zeros(inter.shape[1]).index_copy_(0, place, values)

        nodes = self._random_attributes(sizes) if self.attributes == "random" else [torch.zeros(n, 4) for n in sizes]
        data = build_graph(nodes[0], nodes[1], inter, source_intra=self._trust_edges(), y=spread(y))
        data[INTER].observed, data[INTER].asked = spread(shown), spread(asked)
        known, trust = rated[:, self.split.train], self.trust != "none"
        data.paths = rating_paths(data, known, self.neighbors, trust=trust) if self.evidence else []
        if self.scorer is not None:
            write_scores(data, self.scorer, ratings.scale, self.seed, train=stage == "train")
        return data

    def _roles(self, stage: Stage) -> tuple[Tensor, Tensor]:
        """Which ratings may be shown in a stage, and which are asked for, [all ratings] bool each."""

        def mask(*rows: Tensor) -> Tensor:
            return torch.zeros(len(self.ratings.rating), dtype=torch.bool).index_fill_(0, torch.cat(rows), True)

        train, val, test = self.split.train, self.split.val, self.split.test
        shown = mask(train) if stage in ("train", "val") else mask(train, val)
        asked = mask({"train": train, "val": val}.get(stage, test))
        return shown & self.evidence, asked

    def _with_wanted(self, pairs: Tensor, y: Tensor, shown: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Ask for the pairs of ``predict_path`` instead, with the evidence of the test stage and unknown truth."""
        assert self.predict_path is not None
        wanted, items = read_pairs(self.predict_path, self.ratings), self.ratings.num_items
        evidence = shown & ~torch.isin(pairs[0] * items + pairs[1], wanted[0] * items + wanted[1])
        unknown = torch.full((wanted.shape[1],), torch.nan)
        asked = torch.arange(int(evidence.sum()) + len(unknown)) >= int(evidence.sum())
        return torch.cat([pairs[:, evidence], wanted], 1), torch.cat([y[evidence], unknown]), ~asked, asked

    def _trust_edges(self) -> Tensor:
        links = no_edges() if self.trust == "none" else self.ratings.trust.flip(0)
        return given_edges(links, self.ratings.num_users, symmetric=self.trust == "both")

    def _random_attributes(self, sizes: tuple[int, int]) -> list[Tensor]:
        generator = torch.Generator().manual_seed(self.seed)
        return [torch.rand(n, self.random_dim, generator=generator) for n in sizes]

    def reveal(self, data: HeteroData, visible: Tensor) -> None:
        """Write the visible ratings, and what follows from them alone, into the graph."""
        if self.evidence:
            write_evidence(data, visible, self.ratings.scale, statistics=self.attributes == "statistics")
            if self.supports:
                self._write_supports(data, visible)
        else:
            data[INTER].message = torch.ones_like(visible)

    def _write_supports(self, data: HeteroData, visible: Tensor) -> None:
        """Write what supports the asked pairs. A scorer hides few sets, over and over: each is worked out once."""
        masks = torch.stack([visible, data[INTER].supervised]).numpy()
        key = sha256(masks.tobytes()).digest()
        if key not in self._supports:
            if len(self._supports) == KEPT:
                self._supports.clear()
            self._supports[key] = rating_supports(data, visible, self.supports)
        data[PAIR].num_nodes = len(visible)
        data[SUPPORT].edge_index, data[SUPPORT].edge_attr = self._supports[key]
