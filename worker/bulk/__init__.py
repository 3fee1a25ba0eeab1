"""Feeds bulk runs: items from a source into the bulk lane, their records into part files."""
