"""Backups: a folder with every row, body, model and secret of an installation, and a digest of each file.

    manifest.json     what the backup is; size and BLAKE3 digest of every file
    manifest.blake3   the digest of manifest.json
    rows/TABLE        the rows of a table, in one form for both databases: a backup of SQLite may become a PostgreSQL
    bodies/ab/cd/…    large bodies by the names that the rows have for them
    data/…            of the data folder: secrets, model folders, images, uploads under way

Environments are not in it: they are made again from the model folders when they are needed.
"""
