"""Headers -> the series of an archive; what was skipped and why."""
