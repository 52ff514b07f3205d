"""What pages and the REST API show: a frozen dataclass a page, filled from facts and conclusions. Changes nothing."""
