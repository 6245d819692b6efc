"""From files to volumes: headers, series, selection, stacks, pixels."""
