"""Routes as OpenAI has them, for models that take and give text."""
