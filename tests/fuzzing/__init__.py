"""A fuzzer that knows what DICOM files are made of: sound files, damaged in what gives them structure."""
