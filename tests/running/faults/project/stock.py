"""The project's app with kombu's own transport, as an older version of the project has it. The fault tests copy this into a
project.
"""

from config.celery import app

app.amqp_cls = "celery.app.amqp:AMQP"
