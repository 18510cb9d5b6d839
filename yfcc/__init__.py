"""One DuckDB catalog and a verified, resumable, lawful mirror of YFCC100M."""

__version__ = "0.1.0"
