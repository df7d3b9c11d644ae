"""The contract's JSON and query strings -> domain objects. After these files nothing is unchecked."""
