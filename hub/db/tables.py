"""Every table: facts that are stored, conclusions that can be rebuilt, and what the hub computes for itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)

from .types import Float32Vector, UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _now() -> datetime:
    """When the row was written: bookkeeping for people, never read by a rule."""
    return datetime.now(UTC)


def _id(name: str = "id") -> Column[Any]:
    return Column(name, Uuid(as_uuid=False), primary_key=True)


def _school() -> Column[Any]:
    return Column("school_id", Uuid(as_uuid=False), ForeignKey("school.id"), nullable=False)


def _person(**options: Any) -> Column[Any]:
    """A person's own data, which goes when the person goes."""
    return Column("person", String, ForeignKey("people.id", ondelete="CASCADE"), nullable=False, **options)


school = Table(
    "school",
    metadata,
    _id(),
    Column("name", String, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

people = Table(
    "people",
    metadata,
    Column("id", String, primary_key=True),
    _school(),
    Column("name", String, nullable=False),
    Column("class_name", String),
    Column("created_at", UtcDateTime, default=_now, nullable=False),
)

consent_events = Table(
    "consent_events",
    metadata,
    Column("order", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    _person(index=True),
    Column("signer", String, nullable=False),
    Column("state", String, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("notice_version", String, nullable=False),
    Column("expires_at", UtcDateTime),
    sqlite_autoincrement=True,
)
"""Append-only (triggers see to it): a row goes only with its person."""

enrolment_images = Table(
    "enrolment_images",
    metadata,
    _id(),
    _person(),
    Column("source_sha256", String(64), nullable=False),
    Column("model_id", String, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("quality", JSON),
    Column("embedding", Float32Vector),
    Column("crop_key", String),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("person", "source_sha256", "model_id"),
)

templates = Table(
    "templates",
    metadata,
    _person(primary_key=True),
    Column("model_id", String, primary_key=True),
    Column("vector", Float32Vector, nullable=False),
    Column("images", Integer, nullable=False),
    Column("updated_at", UtcDateTime, default=_now, nullable=False),
)

template_spans = Table(
    "template_spans",
    metadata,
    _person(primary_key=True),
    Column("model_id", String, primary_key=True),
    Column("since", UtcDateTime, primary_key=True),
    Column("until", UtcDateTime),
)
"""When there was a template, and nothing of it: what says later whom cameras could have recognised."""

remote_people = Table(
    "remote_people",
    metadata,
    Column("gallery", String, primary_key=True),
    Column("person", String, primary_key=True),
    Column("pseudonym", String, nullable=False),
    Column("sending_since", UtcDateTime),
    UniqueConstraint("gallery", "pseudonym"),
)
"""What galleries elsewhere call each person who may be there. It outlives the person, until it is deleted there;
`sending_since` is set while portraits are on the way."""

remote_portraits = Table(
    "remote_portraits",
    metadata,
    Column("gallery", String, primary_key=True),
    Column("person", String, primary_key=True),
    Column("source_sha256", String(64), primary_key=True),
    Column("answer", String, nullable=False),
    Column("sent_at", UtcDateTime, nullable=False),
)
"""What galleries elsewhere were sent, and why it does not serve there."""

gallery_version = Table(
    "gallery_version",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
)
"""One row, id 1."""

frames = Table(
    "frames",
    metadata,
    _id(),
    _school(),
    Column("academic_year", String(7), nullable=False),
    Column("camera", String, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("captured_at", UtcDateTime, nullable=False),
    Column("skew_ms", BigInteger, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("origin", String, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("checksum", BigInteger),
    Column("outcome", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("concluded_at", UtcDateTime),
    Column("model_id", String),
    Column("faces", Integer, nullable=False),
    Column("too_small", Integer, nullable=False),
    UniqueConstraint("camera", "epoch", "seq"),
)
"""The ledger. `captured_at` is corrected: the camera's own clock read `captured_at` + `skew_ms`.

`checksum` is the CRC-32 of what the camera delivered, None for a frame from before there was one.

`model_id` is what looked at it, None where nothing did.
"""
Index("ix_frames_camera_captured_at", frames.c.camera, frames.c.captured_at)
for _outcome in ("pending", "rejected"):
    _those = text(f"outcome = '{_outcome}'")
    Index(f"ix_frames_{_outcome}", frames.c.camera, frames.c.captured_at, sqlite_where=_those, postgresql_where=_those)

forgotten_frames = Table(
    "forgotten_frames",
    metadata,
    Column("camera", String, primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("last", BigInteger, primary_key=True),
    Column("first", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Runs of sequence numbers, both ends included, that were in the ledger until retention removed them."""

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("camera", String, primary_key=True),
    Column("until", UtcDateTime, primary_key=True),
    Column("lens", Float),
    Column("received_at", UtcDateTime, nullable=False),
)

cameras = Table(
    "cameras",
    metadata,
    Column("id", String, primary_key=True),
    Column("watermark", UtcDateTime, nullable=False),
    Column("lens", Float),
    Column("last_seen", UtcDateTime, nullable=False),
)

observations = Table(
    "observations",
    metadata,
    _id(),
    Column("frame_id", Uuid(as_uuid=False), ForeignKey("frames.id"), nullable=False, index=True),
    _school(),
    Column("academic_year", String(7), nullable=False),
    Column("camera", String, nullable=False),
    Column("captured_at", UtcDateTime, nullable=False, index=True),
    Column("x", Float, nullable=False),
    Column("y", Float, nullable=False),
    Column("w", Float, nullable=False),
    Column("h", Float, nullable=False),
    Column("detector_score", Float, nullable=False),
    Column("size", Float, nullable=False),
    Column("sharpness", Float, nullable=False),
    Column("yaw", Float, nullable=False),
    Column("pitch", Float, nullable=False),
    Column("roll", Float, nullable=False),
    Column("person", String, ForeignKey("people.id", ondelete="SET NULL")),
    Column("score", Float),
    Column("margin", Float),
    Column("threshold", Float),
    Column("alone", Boolean, nullable=False),
    Column("model_id", String, nullable=False),
    Column("policy_version", String, nullable=False),
    Column("crop", String),
)
"""`captured_at` is the frame's, corrected for skew; `crop` is nulled when retention removes the crop."""
Index("ix_observations_person_captured_at", observations.c.person, observations.c.captured_at)

crops = Table(
    "crops",
    metadata,
    Column("key", String, primary_key=True),
    Column("observation_id", Uuid(as_uuid=False), ForeignKey("observations.id"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)
Index("ix_crops_created_at", crops.c.created_at)

sightings = Table(
    "sightings",
    metadata,
    Column("date", String(10), primary_key=True),
    _person(primary_key=True),
    Column("camera", String, primary_key=True),
    Column("first", UtcDateTime, primary_key=True),
    Column("last", UtcDateTime, nullable=False),
    Column("count", Integer, nullable=False),
    Column("best_score", Float, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("crop", String, index=True),
)
"""Derived from observations; `date` is the school's local one."""

marks = Table(
    "marks",
    metadata,
    _person(primary_key=True),
    Column("lecture", String, primary_key=True),
    Column("date", String(10), nullable=False, index=True),
    Column("status", String, nullable=False),
    Column("minutes", Integer),
    Column("why", String, nullable=False),
    Column("first", UtcDateTime),
    Column("last", UtcDateTime),
    Column("sightings", Integer, nullable=False),
    Column("best_score", Float),
    Column("cameras", JSON, nullable=False),
    Column("coverage", Float, nullable=False),
    Column("crop", String, index=True),
    Column("rule_version", String, nullable=False),
)
"""Derived from sightings, coverage and the timetable."""
_open = text("status = 'open'")
Index("ix_marks_open", marks.c.date, sqlite_where=_open, postgresql_where=_open)

frozen_days = Table(
    "frozen_days",
    metadata,
    Column("date", String(10), primary_key=True),
    Column("frozen_at", UtcDateTime, nullable=False),
)
"""The school's local dates whose facts retention has removed: their marks stay as they were concluded."""

lectures = Table(
    "lectures",
    metadata,
    Column("id", String, primary_key=True),
    Column("date", String(10), nullable=False, index=True),
    Column("start", UtcDateTime),
    Column("end", UtcDateTime),
    Column("name", String, nullable=False),
    Column("class_name", String, nullable=False),
    Column("room", String, nullable=False),
)
"""Those that have marks, so that they keep their names when the timetable changes. `start` and `end` are NULL, and the
names empty, for lectures of before this table."""

watched_rooms = Table(
    "watched_rooms",
    metadata,
    Column("camera", String, primary_key=True),
    Column("room", String, nullable=False),
)
"""The room each camera watched last: registers of the past rest on cameras that hub.yaml has forgotten, too."""

daily = Table(
    "daily",
    metadata,
    Column("date", String(10), primary_key=True),
    Column("status", String, primary_key=True),
    Column("people", Integer, nullable=False),
)
"""How many people's marks of a date amount to each status: a month of a large school is too many marks to count."""

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, default=_now, nullable=False),
    Column("kind", String, nullable=False),
    Column("payload", JSON, nullable=False),
    sqlite_autoincrement=True,
)
"""What happened, in order, for those who follow: ids only rise."""

settings = Table(
    "settings",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", JSON, nullable=False),
)
"""What the hub computes for itself (calibrations), never what hub.yaml says."""

nodes = Table(
    "nodes",
    metadata,
    Column("id", String, primary_key=True),
    Column("camera", String, nullable=False, index=True),
    Column("room", String),
    Column("state", String, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("acknowledged", BigInteger, nullable=False),
    Column("highest", BigInteger, nullable=False),
    Column("credential", String(64), nullable=False),
    Column("next_credential", String(64)),
    Column("retired_credential", String(64)),
    Column("credential_since", UtcDateTime, nullable=False),
    Column("software", String, nullable=False),
    Column("board", String, nullable=False),
    Column("paired_at", UtcDateTime, nullable=False),
    Column("confirmed_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("last_seen", UtcDateTime, nullable=False),
    Column("health", JSON),
    Column("refusals", JSON, nullable=False),
    Column("boots", JSON, nullable=False),
)
"""`room` is that of a camera which is not in hub.yaml; credentials are SHA-256; `boots`: what the hub's clock said, in
microseconds since 1970, when each of the node's last boots began, by the boot's number."""

node_invitations = Table(
    "node_invitations",
    metadata,
    Column("token", String(64), primary_key=True),
    Column("camera", String, nullable=False),
    Column("room", String),
    Column("made_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("credential", String(64)),
    Column("node", String),
)
"""`token` and `credential` are SHA-256; the latter and `node` are of whoever used it."""
