"""The denormalised table that search and browse read. Rebuilt for an API in the transaction that changes it."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models.functions import Now

from catalog.models.apis import Api


class ApiSearch(models.Model):
    """One row per API with all that a search result, a facet and the visibility rule need.

    `head` (names, purpose) is small and gives the rank; `document` also holds operations and fields, and its index
    only finds. A word that only older live versions hold is stored as `~word`: it is found, and ranked below what
    the present versions hold. `team_ids` are the groups that may see a restricted API.
    """

    api = models.OneToOneField(Api, primary_key=True, on_delete=models.CASCADE, related_name="search")
    slug = models.CharField(max_length=100)
    name = models.CharField(max_length=200)
    purpose = models.TextField(blank=True)
    restricted = models.BooleanField(default=False)
    team_ids = ArrayField(models.IntegerField(), default=list)
    domain = models.CharField(max_length=60, default="")
    team = models.CharField(max_length=60, default="")
    layer = models.CharField(max_length=10, default="")
    style = models.CharField(max_length=10, default="")
    system = models.CharField(max_length=60, default="")
    tier = models.CharField(max_length=1, default="")
    data_class = models.CharField(max_length=10, default="")
    states = ArrayField(models.CharField(max_length=10), default=list)
    team_name = models.CharField(max_length=120, default="")
    record_names = models.CharField(max_length=400, default="")
    versions = models.JSONField(default=list)
    consumers = models.PositiveIntegerField(default=0)
    calls = models.BigIntegerField(null=True)
    judged = models.BooleanField(default=True)
    changed_at = models.DateTimeField(db_default=Now())
    head = SearchVectorField(null=True)
    document = SearchVectorField(null=True)

    class Meta:
        ordering = ["name", "api_id"]
        indexes = [
            GinIndex(fields=["document"], name="api_search_document"),
            GinIndex(fields=["team_ids"], name="api_search_teams"),
            models.Index(fields=["name", "api_id"], name="api_search_by_name"),
            models.Index(fields=["-changed_at", "-api_id"], name="api_search_by_change"),
        ]

    def __str__(self) -> str:
        return self.slug


class ApiFacets(models.Model):
    """The facets of one API as small numbers, in a table of its own: counting reads every row that the viewer may see,
    and these are a tenth as wide as the rows of `ApiSearch`. Written in the same statement as those.

    `domain`, `team` and `system` are ids, 0 where it is not stated; `layer`, `style`, `tier` and `data` are places in
    `domain.browse.CODES`; `states` has one bit per place in `lifecycle.STATES`.
    """

    api = models.OneToOneField(Api, primary_key=True, on_delete=models.CASCADE, related_name="facets")
    restricted = models.BooleanField(default=False)
    team_ids = ArrayField(models.IntegerField(), default=list)
    domain = models.IntegerField(default=0)
    team = models.IntegerField(default=0)
    system = models.IntegerField(default=0)
    layer = models.SmallIntegerField(default=0)
    style = models.SmallIntegerField(default=0)
    tier = models.SmallIntegerField(default=0)
    data = models.SmallIntegerField(default=0)
    states = models.SmallIntegerField(default=0)

    class Meta:
        verbose_name_plural = "API facets"

    def __str__(self) -> str:
        return f"facets of {self.api_id}"


class SearchWord(models.Model):
    """Every word that any document holds; a query's unknown word is corrected to the nearest of these by trigrams."""

    word = models.CharField(max_length=60, primary_key=True)

    class Meta:
        indexes = [GinIndex(fields=["word"], name="search_word_trigrams", opclasses=["gin_trgm_ops"])]

    def __str__(self) -> str:
        return self.word


class SavedSearch(models.Model):
    """A person's own search. `query` is the query string of the browse page: the address holds the whole state."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=80)
    query = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "saved searches"
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="saved_search_once")]

    def __str__(self) -> str:
        return self.name


class DailyJob(models.Model):
    """The day on which a daily job was last begun, so that only one of several schedulers does it."""

    key = models.CharField(max_length=60, primary_key=True)
    done_on = models.DateField()

    class Meta:
        verbose_name_plural = "daily jobs"

    def __str__(self) -> str:
        return f"{self.key} on {self.done_on}"
