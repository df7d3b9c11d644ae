"""Has a class that cannot answer."""


class Model:
    pass
