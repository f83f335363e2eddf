"""Of the key of a session the database keeps a digest alone. Sessions of before go on: each key becomes its digest."""

from django.db import migrations

_DIGESTS = """
update kernel_usersession
   set session_key = left(encode(sha256(convert_to(session_key, 'UTF8')), 'hex'), 40)
"""


class Migration(migrations.Migration):
    dependencies = [("kernel", "0014_provider_session")]

    operations = [migrations.RunSQL(_DIGESTS, "delete from kernel_usersession")]
