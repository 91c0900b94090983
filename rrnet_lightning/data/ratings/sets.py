"""The known rating data sets: where they lie, how they are read, what their files are."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rrnet_lightning.data.ratings.core import k_core
from rrnet_lightning.data.ratings.reader import Outside, Ratings, read_ciao, read_filmtrust


class RatingSet(NamedTuple):
    """A known data set.

    Attributes:
        folder: its folder under the data root.
        read: reads the folder that holds its files; `outside=` as in `read_ratings`.
        sha256: digest of every file needed, in hexadecimal, by name.
        url: zip archive of the originals; None if none is known to last.
    """

    folder: str
    read: Callable[..., Ratings]
    sha256: dict[str, str]
    url: str | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files needed."""
        return tuple(self.sha256)


def read_ciao_dense(folder: str | Path, outside: Outside = "drop") -> Ratings:
    """Read the 10-core of Ciao: 2,540 users and 3,018 items with at least 10 ratings of one another, 71,646 in all."""
    return k_core(read_ciao(folder, outside=outside), 10)


CIAO = {
    "rating_with_timestamp.mat": "488e9aa5f60e6a52a972795b6402f922fc0d9d273152f4d124a5c5bdefb86a71",
    "trustnetwork.mat": "0a8963ed22e6b534ce8d14e478f54ce0af6f5a3440a67ed5a35e62486580ce3a",
}

RATING_SETS: dict[str, RatingSet] = {
    "filmtrust": RatingSet(
        "filmtrust",
        read_filmtrust,
        {
            "ratings.txt": "241167424e24d588e8871d68641e94ead98d5b3a4f0db01ef3181a74ad35e7a1",
            "trust.txt": "64573a033add72b988a0fb140fdbc0ad3464cb9821f940007aff6fda44b09603",
        },
        url="https://www.librec.net/datasets/filmtrust.zip",
    ),
    "ciao": RatingSet("ciao", read_ciao, CIAO),
    "ciao_dense": RatingSet("ciao", read_ciao_dense, CIAO),
}
