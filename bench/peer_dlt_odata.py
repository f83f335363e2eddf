"""dlt's REST client reads the same OData pages by their links, keys and stamps taken; nothing is loaded.

Run by `bench.odata` in dlt's environment; prints one JSON line.

python bench/peer_dlt_odata.py http://127.0.0.1:PORT v4
"""

import json
import os
import resource
import sys
import tempfile

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="ERROR")
os.environ.setdefault("DLT_DATA_DIR", tempfile.mkdtemp(prefix="bench-dlt-"))

import dlt
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONLinkPaginator

base, version = sys.argv[1:3]
rows, link = ("d.results", "d.__next") if version == "v2" else ("value", "'@odata.nextLink'")


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


client = RESTClient(base_url=base, paginator=JSONLinkPaginator(next_url_path=link), data_selector=rows)
spent = cpu()
read = {row["id"]: row["changed"] for page in client.paginate(f"/{version}/Rows") for row in page}
print(json.dumps({"rows": len(read), "cpu": cpu() - spent, "version": dlt.__version__}))
