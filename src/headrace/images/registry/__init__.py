"""Images from registries, by the distribution protocol of Docker and OCI: pulled into our store, pushed from files."""
