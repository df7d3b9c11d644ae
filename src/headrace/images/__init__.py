"""What is brought in to be run: archives and folders, checked before they lie on the shelf."""
