"""A stand-in for a hub that tells whether somebody's node keeps docs/node-protocol.md (`fras nodes conform`)."""
