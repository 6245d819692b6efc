"""A candidate file -> its header; files that are alike are compared, not walked."""
