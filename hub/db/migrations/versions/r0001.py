"""Everything the first FRAS stores.

Written out rather than taken from `hub.db.tables`, which moves on while this revision must not.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
import uuid6
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Moment = sa.DateTime(timezone=True)
Counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PENDING = sa.text("outcome = 'pending'")


def upgrade() -> None:
    op.create_table(
        "cameras",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("watermark", Moment, nullable=False),
        sa.Column("lens", sa.Float()),
        sa.Column("last_seen", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cameras"),
    )
    op.create_table(
        "gallery_version",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_gallery_version"),
    )
    op.create_table(
        "heartbeats",
        sa.Column("camera", sa.String(), nullable=False),
        sa.Column("until", Moment, nullable=False),
        sa.Column("lens", sa.Float()),
        sa.Column("received_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("camera", "until", name="pk_heartbeats"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", Counter, autoincrement=True, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "school",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_school"),
    )
    op.create_table(
        "settings",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_settings"),
    )
    op.create_table(
        "frames",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("school_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("academic_year", sa.String(length=7), nullable=False),
        sa.Column("camera", sa.String(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("captured_at", Moment, nullable=False),
        sa.Column("skew_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_at", Moment, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("concluded_at", Moment),
        sa.Column("faces", sa.Integer(), nullable=False),
        sa.Column("too_small", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name="fk_frames_school_id"),
        sa.PrimaryKeyConstraint("id", name="pk_frames"),
        sa.UniqueConstraint("camera", "epoch", "seq", name="uq_frames_camera_epoch_seq"),
    )
    op.create_index("ix_frames_camera_captured_at", "frames", ["camera", "captured_at"])
    op.create_index(
        "ix_frames_pending", "frames", ["camera", "captured_at"], sqlite_where=PENDING, postgresql_where=PENDING
    )

    op.create_table(
        "people",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("school_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("class_name", sa.String()),
        sa.Column("created_at", Moment, nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name="fk_people_school_id"),
        sa.PrimaryKeyConstraint("id", name="pk_people"),
    )
    op.create_table(
        "consent_events",
        sa.Column("order", Counter, autoincrement=True, nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("signer", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("notice_version", sa.String(), nullable=False),
        sa.Column("expires_at", Moment),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_consent_events_person", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("order", name="pk_consent_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_consent_events_person", "consent_events", ["person"])

    op.create_table(
        "enrolment_images",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("source_sha256", sa.String(length=64), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("quality", sa.JSON()),
        sa.Column("embedding", sa.LargeBinary()),
        sa.Column("crop_key", sa.String()),
        sa.Column("created_at", Moment, nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_enrolment_images_person", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_enrolment_images"),
        sa.UniqueConstraint(
            "person", "source_sha256", "model_id", name="uq_enrolment_images_person_source_sha256_model_id"
        ),
    )
    op.create_table(
        "marks",
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("lecture", sa.String(), nullable=False),
        sa.Column("date", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("minutes", sa.Integer()),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("first", Moment),
        sa.Column("last", Moment),
        sa.Column("sightings", sa.Integer(), nullable=False),
        sa.Column("best_score", sa.Float()),
        sa.Column("cameras", sa.JSON(), nullable=False),
        sa.Column("coverage", sa.Float(), nullable=False),
        sa.Column("crop", sa.String()),
        sa.Column("rule_version", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_marks_person", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("person", "lecture", name="pk_marks"),
    )
    op.create_index("ix_marks_crop", "marks", ["crop"])
    op.create_index("ix_marks_date", "marks", ["date"])

    op.create_table(
        "observations",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("frame_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("school_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("academic_year", sa.String(length=7), nullable=False),
        sa.Column("camera", sa.String(), nullable=False),
        sa.Column("captured_at", Moment, nullable=False),
        sa.Column("x", sa.Float(), nullable=False),
        sa.Column("y", sa.Float(), nullable=False),
        sa.Column("w", sa.Float(), nullable=False),
        sa.Column("h", sa.Float(), nullable=False),
        sa.Column("detector_score", sa.Float(), nullable=False),
        sa.Column("size", sa.Float(), nullable=False),
        sa.Column("sharpness", sa.Float(), nullable=False),
        sa.Column("yaw", sa.Float(), nullable=False),
        sa.Column("pitch", sa.Float(), nullable=False),
        sa.Column("roll", sa.Float(), nullable=False),
        sa.Column("person", sa.String()),
        sa.Column("score", sa.Float()),
        sa.Column("margin", sa.Float()),
        sa.Column("threshold", sa.Float()),
        sa.Column("alone", sa.Boolean(), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("policy_version", sa.String(), nullable=False),
        sa.Column("crop", sa.String()),
        sa.ForeignKeyConstraint(["frame_id"], ["frames.id"], name="fk_observations_frame_id"),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_observations_person", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["school_id"], ["school.id"], name="fk_observations_school_id"),
        sa.PrimaryKeyConstraint("id", name="pk_observations"),
    )
    op.create_index("ix_observations_captured_at", "observations", ["captured_at"])
    op.create_index("ix_observations_frame_id", "observations", ["frame_id"])
    op.create_index("ix_observations_person_captured_at", "observations", ["person", "captured_at"])

    op.create_table(
        "sightings",
        sa.Column("date", sa.String(length=10), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("camera", sa.String(), nullable=False),
        sa.Column("first", Moment, nullable=False),
        sa.Column("last", Moment, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("best_score", sa.Float(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("crop", sa.String()),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_sightings_person", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("date", "person", "camera", "first", name="pk_sightings"),
    )
    op.create_index("ix_sightings_crop", "sightings", ["crop"])
    op.create_table(
        "templates",
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("updated_at", Moment, nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_templates_person", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("person", "model_id", name="pk_templates"),
    )
    op.create_table(
        "crops",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("observation_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("expires_at", Moment, nullable=False),
        sa.ForeignKeyConstraint(["observation_id"], ["observations.id"], name="fk_crops_observation_id"),
        sa.PrimaryKeyConstraint("key", name="pk_crops"),
    )
    op.create_index("ix_crops_expires_at", "crops", ["expires_at"])
    op.create_index("ix_crops_observation_id", "crops", ["observation_id"])

    op.bulk_insert(
        sa.table("school", sa.column("id", sa.Uuid(as_uuid=False)), sa.column("name"), sa.column("created_at", Moment)),
        [{"id": str(uuid6.uuid7()), "name": "", "created_at": datetime.now(UTC)}],
    )
    op.bulk_insert(sa.table("gallery_version", sa.column("id"), sa.column("version")), [{"id": 1, "version": 0}])
    keep_consent_append_only()


def keep_consent_append_only() -> None:
    """Events never change, and go only together with their person (whose row is gone when the cascade comes)."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER consent_events_never_change BEFORE UPDATE ON consent_events "
            "BEGIN SELECT RAISE(ABORT, 'consent events are append-only'); END"
        )
        op.execute(
            "CREATE TRIGGER consent_events_stay BEFORE DELETE ON consent_events "
            "WHEN EXISTS (SELECT 1 FROM people WHERE id = OLD.person) "
            "BEGIN SELECT RAISE(ABORT, 'consent events are append-only'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION consent_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT 1 FROM people WHERE id = OLD.person) THEN RETURN OLD; END IF; "
        "RAISE EXCEPTION 'consent events are append-only' USING ERRCODE = 'integrity_constraint_violation'; "
        "END $$"
    )
    op.execute(
        "CREATE TRIGGER consent_events_append_only BEFORE UPDATE OR DELETE ON consent_events "
        "FOR EACH ROW EXECUTE FUNCTION consent_events_append_only()"
    )
