"""A filter config -> the series that match, ranked, or why they do not."""
