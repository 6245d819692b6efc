"""What `compare.py` is made of: cases, truth, readers, judging, the page.  It is no part of the package."""
