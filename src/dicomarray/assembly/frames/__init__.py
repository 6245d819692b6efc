"""An instance -> its frames: classic, enhanced, a mosaic."""
