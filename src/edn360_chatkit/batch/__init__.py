"""Many runs in one call: their pace, their journal, and the iterators over their results."""

from .core import Batch, BatchInput, BatchOptions
from .results import BatchResult
from .runs import AsyncBatchRun, BatchRun

__all__ = ["AsyncBatchRun", "Batch", "BatchInput", "BatchOptions", "BatchResult", "BatchRun"]
