"""Domain objects -> the contract's JSON. The only place that knows camelCase; the order of fields is the contract's."""
