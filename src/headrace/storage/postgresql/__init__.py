"""PostgreSQL, 15 or newer, by psycopg 3: the second engine of the data layer, for more than one server."""
