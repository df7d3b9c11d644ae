"""Many questions, stored: submit, dispatch, finish, read. A job that was answered is on disk."""
