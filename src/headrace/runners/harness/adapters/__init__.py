"""One file for each format of models; its library is imported only in the environment of a model that needs it."""
