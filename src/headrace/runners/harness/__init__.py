"""Programs that run beside the model, in the model's own environment: no part of the server imports them."""
