"""RT Structure Set (PS3.3 A.19): written from masks, read as contours and brought onto a grid."""
