"""Where results go: a store takes the files of a result whole, or none of them."""
