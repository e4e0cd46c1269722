"""The figures of docs/performance.md, each measured by the module that is named there."""
