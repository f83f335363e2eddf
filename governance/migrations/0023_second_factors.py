"""A second factor that somebody else removed or made lets the rights of its account rest."""

from django.db import migrations



class Migration(migrations.Migration):
    dependencies = [("governance", "0022_identity"), ("catalog", "0019_second_factors")]

    operations = []
