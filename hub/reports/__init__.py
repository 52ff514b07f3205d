"""The register as staff take it away: lines, and the files made of them."""
