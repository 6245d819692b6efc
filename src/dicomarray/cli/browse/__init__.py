"""`dicomarray browse`: the archive of an index as a page on this computer alone.

archive (what is asked of the index) -> server (who may ask, and how) -> page.html (what is seen)
"""
