"""Pictures of results: matplotlib when it is there, and the same SVG from the same numbers."""

import io
from typing import Any

from benchmarks.common.jobs import BenchmarkError


def matplotlib() -> tuple[Any, Any]:
    """Return the package and its Figure; BenchmarkError if it is not there."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BenchmarkError(f"cannot draw ({error}): pip install 'rrnet-lightning[dev]'") from error
    return mpl, Figure


def svg(figure: Any) -> bytes:
    """Return the figure as SVG, without its date."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
