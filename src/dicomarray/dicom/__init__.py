"""The elements of a data set -> plain Python values; what is doubtful is pydicom's."""
