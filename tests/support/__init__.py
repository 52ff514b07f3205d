"""What tests share."""

import os

# Several workers of pytest set them, and what draws tables reads them once, when it is imported.
for size in ("COLUMNS", "LINES"):
    os.environ.pop(size, None)
