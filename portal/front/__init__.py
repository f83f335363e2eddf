"""What stands before Django: bodies are read with a deadline before a thread is taken, threads are divided among kinds
of callers, and health is answered by the loop. An ASGI application; Django itself runs as WSGI in the threads.

See docs/decisions/0026-web-server.md.
"""
