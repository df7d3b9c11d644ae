"""The doors: HTTP. One table of endpoints, one gate, one place where errors become answers."""
