"""The views of the runtime stand on those of governance, which know the subject of an acceptance."""

from django.db import migrations



class Migration(migrations.Migration):
    dependencies = [("runtime", "0062_second_factors"), ("governance", "0024_subject_of_an_acceptance")]

    operations = []
