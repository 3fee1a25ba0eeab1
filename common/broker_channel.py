"""Kombu's Redis channel, made to survive its connection: permits it held are sent again by the reaper instead."""

from kombu.transport import redis


class PermitChannel(redis.Channel):
    """A channel that gives nothing back when it closes, and answers for nothing once it is closed.

    Both go over the connection, which is gone by then: kombu 5.7 raises AttributeError there and Celery's worker ends.
    """

    do_restore = False

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Acknowledge, unless the connection that delivered the message is gone."""
        if not self.closed:
            redis.Channel.basic_ack(self, delivery_tag, multiple=multiple)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Reject, unless the connection that delivered the message is gone."""
        if not self.closed:
            redis.Channel.basic_reject(self, delivery_tag, requeue=requeue)
