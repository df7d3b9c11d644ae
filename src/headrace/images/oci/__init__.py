"""Container images: their documents and layers, our own store of them, and what they become: a tar or a root folder."""
