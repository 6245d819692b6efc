"""What is made of volumes besides DICOM: pictures, and pages that hold them.

planes    what a picture consists of, before it is drawn
greys     which grey or colour a value is drawn in
canvas    the drawing, with Pillow
pictures  a volume's planes and caption; comparisons; PNG files
pages     HTML: a volume to leaf through, or with NiiVue; a run
viewer    HTML with NiiVue: planes, 3-D, time
"""
