"""Galleries elsewhere are known by where they are, and people there by pseudonyms; until now by the recogniser's id in
hub.yaml and by their own ids."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE remote_portraits RENAME COLUMN recogniser TO gallery")
    people = op.create_table(
        "remote_people",
        sa.Column("gallery", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("pseudonym", sa.String(), nullable=False),
        sa.Column("sending_since", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("gallery", "person", name="pk_remote_people"),
        sa.UniqueConstraint("gallery", "pseudonym", name="uq_remote_people_gallery_pseudonym"),
    )
    portraits = sa.table("remote_portraits", sa.column("gallery"), sa.column("person"))
    sent = sa.select(portraits.c.gallery, portraits.c.person, portraits.c.person).distinct()
    op.execute(people.insert().from_select(["gallery", "person", "pseudonym"], sent))
