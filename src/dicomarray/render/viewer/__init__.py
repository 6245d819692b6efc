"""A page with NiiVue: planes, 3-D, window, time and masks of a volume, in one file.

build   NiiVue itself, as the package ipyniivue carries it
images  volumes and masks as NiiVue takes them: NIfTI, of a bounded size
page    the page, with all that is in it
"""
