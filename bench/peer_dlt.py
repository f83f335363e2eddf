"""dlt loads the same orders with merge.

Run by `bench.sync` in an environment of its own that has `dlt[postgres]`; prints one JSON line.

python bench/peer_dlt.py http://127.0.0.1:PORT postgresql://… DATASET
"""

import json
import os
import resource
import sys
import tempfile
import time

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="ERROR")
if "DLT_DATA_DIR" not in os.environ:
    os.environ["DLT_DATA_DIR"] = tempfile.mkdtemp(prefix="bench-dlt-")

import dlt
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONLinkPaginator

base, database, dataset = sys.argv[1:4]


@dlt.resource(name="orders", primary_key="id", write_disposition="merge")
def orders():
    yield from RESTClient(
        base_url=base, paginator=JSONLinkPaginator(next_url_path="next"), data_selector="data"
    ).paginate("/orders")


def cpu():
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


pipeline = dlt.pipeline("peer", destination=dlt.destinations.postgres(database), dataset_name=dataset)
started, spent = time.perf_counter(), cpu()
pipeline.run(orders())
rows = pipeline.last_trace.last_normalize_info.row_counts.get("orders")
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(
    json.dumps(
        {
            "rows": rows,
            "wall": time.perf_counter() - started,
            "cpu": cpu() - spent,
            "memory": memory,
            "version": dlt.__version__,
        }
    )
)
