"""AMQP 0-9-1 (RabbitMQ and its like): a queue is read and let go of once it is stored, and messages are published with
the broker's confirmation."""
