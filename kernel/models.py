"""Tables that belong to no business room: people, their tokens, the audit ledger, the outbox, what processes count."""

from __future__ import annotations

from typing import Any, ClassVar

import pgtrigger
from django.contrib.auth.models import AbstractUser, UserManager
from django.contrib.postgres.indexes import GinIndex
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models.functions import Now, Upper

from kernel import acting, agents, user_names
from kernel.constraints import violated


class AccountManager(UserManager["User"]):
    """Accounts as commands make them."""

    use_in_migrations = False

    def _create_user(self, username: str, email: str | None, password: str | None, **more: Any) -> User:
        """Raises ValidationError, which commands print, where an account has the name in whatever spelling."""
        try:
            with transaction.atomic(using=self._db):
                made: User = super()._create_user(username, email, password, **more)  # type: ignore[misc]
        except IntegrityError as error:
            if violated(error) not in user_names.TAKEN:
                raise
            raise ValidationError(
                f"An account is called {username[:60]!r} already, perhaps in another spelling (capitals, full-width "
                "letters, signs that nobody sees). Choose another name. No account was made."
            ) from None
        return made


class User(AbstractUser):
    """A person, the service account of a pipeline, or an agent. Owners and approvers are groups of these, never free
    text. An agent decides nothing: it is no administrator, and its tokens hold no deciding scope.
    """

    class Kind(models.TextChoices):
        PERSON = "person", "Person"
        SERVICE = "service", "Service account"
        AGENT = "agent", "Agent"

    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.PERSON)
    time_zone = models.CharField(max_length=60, blank=True, db_default="")  # of pages; empty: the installation's
    same_person_as = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Another account of this person. Together they count once in every approval.",
    )
    # What all spellings of the name have in common, written by the database. None where an account of before has the
    # name of an older one in another spelling.
    name_key = models.TextField(null=True, editable=False)
    # Groups that were read together with the token of the present request; None where they were not.
    team_ids_read: frozenset[int] | None = None

    objects: ClassVar[AccountManager] = AccountManager()  # type: ignore[assignment]

    class Meta(AbstractUser.Meta):
        indexes = [models.Index(Upper("email"), name="account_by_mail")]
        triggers = [agents.AGENT_DECIDES_NOTHING, user_names.KEY_OF_A_NAME]
        constraints = [
            models.UniqueConstraint(fields=["name_key"], name=user_names.ONCE),
            models.CheckConstraint(
                condition=models.Q(same_person_as=None) | ~models.Q(same_person_as=models.F("id")),
                name="another_account_of_the_person",
            ),
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    def clean(self) -> None:
        """Raises ValidationError where another account has the name in another spelling: for forms."""
        super().clean()
        if not self.username or User.objects.filter(pk=self.pk, username=self.username).exists():
            return
        if User.objects.exclude(pk=self.pk).filter(name_key=user_names.folded(self.username)).exists():
            raise ValidationError("Another account has this name, in another spelling. Choose another one.")

    def check_password(self, raw_password: str | None) -> bool:
        """A password that is stored in a newer way meanwhile is the same password."""
        with acting.by(self, way=acting.STORED_ANEW):
            return super().check_password(raw_password)


class ProvedMail(models.Model):
    """An address of mail of which somebody has shown that it is theirs: by a link that was sent there, or by the
    identity provider's word. Accounts with one such address in common are one person (`kernel.persons`). Only the
    SHA-256 of the folded address is kept; a later address does not take it away."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    digest = models.CharField(max_length=64, db_index=True)
    way = models.CharField(max_length=20)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="mail_proved_once")]

    def __str__(self) -> str:
        return f"{self.user}: {self.digest[:8]}"


class ApiToken(models.Model):
    """A bearer token. Only its SHA-256 is stored; `prefix` lets people recognise it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    token_hash = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    # What was read in the same query (`kernel.tokens.ReadWithToken`): what was asked, and the row.
    read_along: tuple[object, tuple[Any, ...]] | None = None

    class Meta:
        verbose_name = "API token"
        triggers = [agents.TOKEN_DECIDES_NOTHING]
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("created_at")), name="token_expires_after_creation"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class UserSession(AbstractBaseSession):
    """A session of a browser, with whose it is, so that people see theirs and end them (`kernel.sessions`)."""

    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="sessions")
    began_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    way = models.CharField(max_length=20, blank=True, db_default="")
    address = models.CharField(max_length=60, blank=True, db_default="")
    agent = models.CharField(max_length=200, blank=True, db_default="")
    provider_session = models.CharField(max_length=255, blank=True, db_default="")

    def __str__(self) -> str:
        return f"{self.user} since {self.began_at}"


class SecondFactor(models.Model):
    """What a person proves beside the password: an authenticator app or a passkey (`kernel.factors`). Added and removed
    as a whole; triggers tell each of it."""

    class Kind(models.TextChoices):
        APP = "app", "Authenticator app"
        PASSKEY = "passkey", "Passkey"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="second_factors")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=60)
    made_at = models.DateTimeField(db_default=Now())
    used_at = models.DateTimeField(null=True)
    # Of an app: its secret, encrypted, and the time step of the newest code that was used.
    sealed = models.TextField(blank=True, db_default="")
    step = models.BigIntegerField(db_default=0)
    # Of a passkey: what the browser registered, and the newest count of its signatures.
    credential_id = models.CharField(max_length=1400, unique=True, null=True)
    credential = models.BinaryField(null=True)
    signatures = models.BigIntegerField(db_default=0)

    class Meta:
        ordering = ["made_at", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind="app", credential_id=None, credential=None) & ~models.Q(sealed="")
                | models.Q(kind="passkey", sealed="", credential_id__isnull=False, credential__isnull=False),
                name="second_factor_is_app_or_passkey",
            ),
            models.UniqueConstraint(fields=["user"], condition=models.Q(kind="app"), name="one_app_for_each_person"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.get_kind_display().lower()})"


class RecoveryCode(models.Model):
    """A code that stands once for a second factor that is lost. Only its SHA-256 is stored."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    code_hash = models.CharField(max_length=64)
    made_at = models.DateTimeField(db_default=Now())
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "code_hash"], name="recovery_code_once")]

    def __str__(self) -> str:
        return f"{self.user}, {'used' if self.used_at else 'open'}"


class UsedChallenge(models.Model):
    """A question to a passkey that was answered, by its SHA-256: no answer counts twice."""

    digest = models.CharField(primary_key=True, max_length=64)
    at = models.DateTimeField(db_default=Now(), db_index=True)

    def __str__(self) -> str:
        return self.digest[:8]


class AuditEntry(models.Model):
    """One fact of the ledger: who did what to which subject. Insert only, held by a trigger; chained by `AuditLink`."""

    at = models.DateTimeField(db_default=Now(), db_index=True)
    actor = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    actor_text = models.CharField(max_length=200)
    verb = models.CharField(max_length=100, db_index=True)
    subject_kind = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=120)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    reason = models.TextField(blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    # Role and program of the database session that wrote it; the database's own word, as `at` is.
    written_by = models.CharField(max_length=200, blank=True, db_default="")

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["subject_kind", "subject_id", "-id"], name="audit_by_subject")]

    def __str__(self) -> str:
        return f"{self.actor_text} {self.verb} {self.subject_kind} {self.subject_id}"


class AuditLink(models.Model):
    """The hash chain over the ledger, written by a deferred trigger at commit, so that links follow commit order."""

    position = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(AuditEntry, on_delete=models.PROTECT, related_name="link")
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)
    version = models.PositiveSmallIntegerField(db_default=1)  # which list of columns the hash is over

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.position}: {self.hash[:8]}"


class SignInFailures(models.Model):
    """Failed sign-ins of one account in one minute; `told` of them are in the ledger (`kernel.sign_ins`). Account 0
    stands for all names that nobody has."""

    account = models.BigIntegerField()
    minute = models.DateTimeField()
    failures = models.PositiveIntegerField(default=1)
    told = models.PositiveIntegerField(db_default=0)
    owner_told = models.BooleanField(db_default=False)  # of the failures of this minute and before, by a notice

    class Meta:
        verbose_name_plural = "sign-in failures"
        constraints = [models.UniqueConstraint(fields=["account", "minute"], name="sign_in_failures_of_a_minute")]

    def __str__(self) -> str:
        return f"{self.account} {self.minute:%H:%M}: {self.failures}"


class SignInLimit(models.Model):
    """How often a password was tried in vain under one key, and until when the next waits (`kernel.sign_in_limits`).
    The key is a digest: of a name, of an address, of an account and a place that it knows."""

    key = models.CharField(max_length=64, primary_key=True)
    failures = models.FloatField()
    open_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.key[:8]}: {self.failures:.1f}"


class KnownPlace(models.Model):
    """A browser or an address (a digest of it) in which an account has signed in before."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="known_places")
    place = models.CharField(max_length=64)
    seen_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "place"], name="known_place_once")]

    def __str__(self) -> str:
        return f"{self.user} at {self.place[:8]}"


class DemoMark(models.Model):
    """This database was made for the demo: at most one row, written while the database was empty. Only where it stands
    are the demo's people ever made, and does their well-known password count. An end is for good."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    made_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_demo_mark")]
        triggers = [
            pgtrigger.Trigger(
                name="only_when_empty",
                operation=pgtrigger.Insert,
                when=pgtrigger.Before,
                func="""
                    IF EXISTS (SELECT FROM kernel_user) OR EXISTS (SELECT FROM kernel_auditentry) THEN
                        RAISE EXCEPTION 'this database is not empty: it is not made for the demo'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'demo_mark_needs_empty_database';
                    END IF;
                    NEW.made_at := transaction_timestamp();
                    NEW.ended_at := NULL;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(
                name="ends_once",
                operation=pgtrigger.Update | pgtrigger.Delete,
                when=pgtrigger.Before,
                func="""
                    IF TG_OP = 'DELETE' OR OLD.ended_at IS NOT NULL OR NEW.ended_at IS NULL THEN
                        RAISE EXCEPTION 'a demo mark ends once, and stays'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'demo_mark_ends_once';
                    END IF;
                    NEW.id := OLD.id;
                    NEW.made_at := OLD.made_at;
                    RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"made for the demo on {self.made_at:%Y-%m-%d}" + (", which has ended" if self.ended_at else "")


class LedgerTurn(models.Model):
    """Holds no row: who adds to the ledger's chain takes a lock of this table until the transaction ends
    (`kernel/sql/20_audit_chain.sql`). Nobody but the owner of the tables may take one that is in the way."""

    id = models.PositiveSmallIntegerField(primary_key=True)

    def __str__(self) -> str:
        return "turn"


class WriteStamp(models.Model):
    """A transaction that wrote to a table of which somebody wants to know whether anything in it changed; made by
    triggers (`kernel/write_stamps.py`)."""

    xact = models.BigIntegerField(primary_key=True)
    made_at = models.DateTimeField(db_default=Now(), db_index=True)

    def __str__(self) -> str:
        return str(self.xact)


class OutboxEvent(models.Model):
    """Something that happened and that others must hear of; written in the transaction of the fact itself."""

    topic = models.CharField(max_length=100)
    key = models.CharField(max_length=200)
    payload: Any = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    available_at = models.DateTimeField(db_default=Now())
    attempts = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["available_at", "id"], name="outbox_open", condition=models.Q(done_at=None, failed_at=None)
            ),
            # what retention takes
            models.Index(fields=["done_at"], name="outbox_done", condition=models.Q(done_at__isnull=False)),
            GinIndex(fields=["payload"], name="outbox_payload", opclasses=["jsonb_path_ops"]),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.key}"


class ProcessMetrics(models.Model):
    """What one process has counted since it began (`kernel.process_measures`); `ended` holds the sum of those that are
    gone. Written every few seconds, read at a scrape."""

    process = models.CharField(primary_key=True, max_length=160)
    started_at = models.DateTimeField(db_default=Now())
    beat_at = models.DateTimeField(db_default=Now())
    counted: Any = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "process metrics"

    def __str__(self) -> str:
        return self.process


class ReplacedProcess(models.Model):
    """A process of web server, worker or scheduler that its supervisor replaced (`kernel.replaced_processes`)."""

    class Why(models.TextChoices):
        STILL = "still", "Gave no sign of life"
        ENDED = "ended", "Ended by itself"

    host = models.CharField(max_length=120)
    pid = models.PositiveIntegerField()
    role = models.CharField(max_length=40)
    why = models.CharField(max_length=10, choices=Why.choices)
    said = models.CharField(max_length=200)
    at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "replaced processes"
        ordering = ["-at"]
        constraints = [models.UniqueConstraint(fields=["host", "pid", "at"], name="replaced_process_once")]

    def __str__(self) -> str:
        return f"{self.role} {self.host}-{self.pid} {self.why}"
