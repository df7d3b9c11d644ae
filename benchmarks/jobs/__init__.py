"""Jobs measured: ours alone, beside the job libraries of Python, and when something is killed."""
