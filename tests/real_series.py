"""What the folder of real series holds."""

# Every folder of the real data, and how many series of images are in it.
FOLDERS = {
    "ct-ge-tilted-uneven": 1,
    "ct-philips-5mm": 1,
    "ct-philips-tilted": 1,
    "mr-canon-dti": 1,
    "mr-enhanced-agfa": 1,
    "mr-enhanced-philips-siemens": 2,
    "mr-enhanced-siemens": 1,
    "mr-ge-axial": 1,
    "mr-ge-fmri": 1,
    "mr-ge-localizer": 1,
    "mr-philips-dual-echo": 1,
    "mr-siemens-mosaic": 2,
    "mr-siemens-sagittal": 2,
    "mr-siemens-transfer-syntaxes": 1,
    "mr-siemens-xa30": 6,
}
