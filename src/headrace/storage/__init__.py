"""Rows and bytes. Plumbing only: each room keeps its own tables and SQL in its own rows.py."""
