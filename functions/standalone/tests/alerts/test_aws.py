"""Alerts to SNS and EventBridge, by a stand-in for AWS that delivers to queues."""

import json
import pathlib
import subprocess

import boto3
import pytest
from conftest import ROOT, Process, free_port, until
from test_alerts import learned

REGION = "eu-central-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}


class Moto:
    """A stand-in for AWS on a free port."""

    def __init__(self):
        self.url = f"http://127.0.0.1:{free_port()}"
        server = pathlib.Path(ROOT, ".tools/moto/bin/moto_server")
        command = [server, "--host", "127.0.0.1", "--port", self.url.rsplit(":", 1)[1]]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until("moto", self.is_ready)
        self.sqs = self.client("sqs")

    def client(self, service):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
        return boto3.client(service, endpoint_url=self.url, **keys)

    def is_ready(self):
        try:
            return self.client("sts").get_caller_identity()["Account"]
        except Exception:
            return False

    def queue(self, name):
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return url, arn

    def received(self, url):
        messages = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    def kill(self):
        self.process.kill()
        self.process.wait(30)


@pytest.fixture
def aws(started):
    return started(Moto)


def function(started, aws, receiver):
    alerts = {"receivers": [{"name": "aws", **receiver}], "policies": [{"name": "all", "policy": "keep_firing=0s"}]}
    env = {**CREDENTIALS, "AWS_ENDPOINT_URL": aws.url, "TIDEMARK_ALERTS": json.dumps(alerts)}
    return started(Process, "standalone", **env)


def test_a_topic_gets_the_beginning_and_the_end(started, aws):
    sns = aws.client("sns")
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    url, arn = aws.queue("alerts")
    # Only critical alerts, by the attributes of the messages: this one is a warning.
    quiet_url, quiet_arn = aws.queue("critical")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    critical = {"FilterPolicy": json.dumps({"severity": ["critical"]})}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=quiet_arn, Attributes=critical)
    series = learned(function(started, aws, {"sns": topic}))
    series.send(3, 900)
    messages = []
    until("the beginning", lambda: messages.extend(aws.received(url)) or messages)
    series.send(2)
    until("the end", lambda: messages.extend(aws.received(url)) or len(messages) == 2)
    bodies = [json.loads(message["Message"]) for message in messages]
    assert [body["type"] for body in bodies] == ["alert.firing", "alert.resolved"]
    assert messages[0]["Subject"].startswith("rps of checkout is 900")
    assert aws.received(quiet_url) == []


def test_a_bus_gets_events_that_a_rule_matches(started, aws):
    events = aws.client("events")
    events.create_event_bus(Name="alerts")
    url, arn = aws.queue("events")
    pattern = {"source": ["tidemark"], "detail": {"type": ["alert.firing"]}}
    events.put_rule(Name="firing", EventBusName="alerts", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="firing", EventBusName="alerts", Targets=[{"Id": "queue", "Arn": arn}])
    learned(function(started, aws, {"eventbridge": "alerts"})).send(3, 900)
    messages = []
    until("the event", lambda: messages.extend(aws.received(url)) or messages)
    [event] = messages
    assert (event["source"], event["detail-type"]) == ("tidemark", "Tidemark Alert")
    assert event["detail"]["data"]["source"] == "checkout"


def test_a_topic_that_does_not_exist_is_named_when_it_is_called(started, aws):
    process = function(started, aws, {"sns": f"arn:aws:sns:{REGION}:123456789012:other"})
    learned(process).send(3, 900)
    until(lambda: process.lines, lambda: any("NotFound" in line for line in process.lines))
    with pytest.raises(AssertionError, match="expected the ARN of a topic"):
        function(started, aws, {"sns": "alerts"})
