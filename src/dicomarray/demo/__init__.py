"""A demonstration without anybody's data: a made-up CT study, and a function to run on it.

anatomy    a thorax in HU, from shapes
phantom    that thorax as a DICOM study, as a PACS would hand it over
functions  what the demonstration runs on it
"""
