"""Has no class Model."""
