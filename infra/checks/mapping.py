"""Simulates Lambda's event source mappings, which read batches from a queue or a stream and process partial failures.

moto's own mappings start a container for each message and ignore partial failures. So the deployed mapping is disabled in
moto and simulated here with its deployed settings: batch size, partial failures, attempts.
"""

import base64
import time

from botocore.exceptions import ClientError

from runtime_api import Function

# Largest number of messages that SQS returns at once.
RECEIVED_MAX = 10


def deployed(client, arn: str) -> dict:
    """Returns the mapping of a queue or stream after disabling it; it must request partial failures."""
    (mapping,) = client.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"], mapping
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    return mapping


def failed_of(function: Function, event: dict) -> list[str]:
    """Invokes the function and returns the records that it reports as failed."""
    kind, answer, _ = function.invoke(event)
    assert kind == "response", (kind, answer)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


class QueueMapping:
    """Invokes a function with the messages of a queue."""

    def __init__(self, client, url: str, arn: str, mapping: dict, function: Function):
        self.client, self.url, self.arn, self.function = client, url, arn, function
        self.batch_size = mapping["BatchSize"]

    def receive(self) -> list[dict]:
        """Receives a batch of visible messages."""
        messages: list[dict] = []
        while len(messages) < self.batch_size:
            n_wanted = min(RECEIVED_MAX, self.batch_size - len(messages))
            # No long polling: all messages were sent before.
            some = self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=n_wanted, WaitTimeSeconds=0, AttributeNames=["All"])
            if "Messages" not in some:
                break
            messages += some["Messages"]
        return messages

    def event(self, messages: list[dict]) -> dict:
        return {"Records": [{
            "messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"], "attributes": message["Attributes"],
            "messageAttributes": {}, "md5OfBody": message["MD5OfBody"], "eventSource": "aws:sqs", "eventSourceARN": self.arn,
            "awsRegion": self.arn.split(":")[3],
        } for message in messages]}

    def drain(self) -> list[list[str]]:
        """Invokes the function until no message is visible, and returns the failed messages of each invocation."""
        failures = []
        while messages := self.receive():
            failed = failed_of(self.function, self.event(messages))
            for message in messages:
                if message["MessageId"] in failed:
                    # Ends the visibility timeout, which is minutes.
                    self.client.change_message_visibility(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
                else:
                    self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            failures.append(failed)
        return failures


class StreamMapping:
    """Invokes a function with the records of a stream, shard by shard."""

    def __init__(self, client, name: str, arn: str, mapping: dict, function: Function):
        self.client, self.name, self.arn, self.function = client, name, arn, function
        self.batch_size, self.attempts_max = mapping["BatchSize"], mapping["MaximumRetryAttempts"]

    def put(self, bodies: list[str]):
        """Puts records, in order, into one shard.

        moto stores a record, then starts the function although its mapping is disabled, and answers 500 without a
        container. So a 500 does not mean that the record was not stored, and it must not be sent again.
        """
        for body in bodies:
            try:
                self.client.put_record(StreamName=self.name, Data=body.encode(), PartitionKey="one")
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 500:
                    raise

    def records(self, shard: str) -> list[dict]:
        iterator = self.client.get_shard_iterator(StreamName=self.name, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
        return self.client.get_records(ShardIterator=iterator["ShardIterator"])["Records"]

    def event(self, shard: str, records: list[dict]) -> dict:
        return {"Records": [{
            "kinesis": {
                "kinesisSchemaVersion": "1.0", "partitionKey": record["PartitionKey"], "sequenceNumber": record["SequenceNumber"],
                "data": base64.b64encode(record["Data"]).decode(), "approximateArrivalTimestamp": time.time(),
            },
            "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": f"{shard}:{record['SequenceNumber']}",
            "eventName": "aws:kinesis:record", "invokeIdentityArn": "arn:aws:iam::123456789012:role/role",
            "awsRegion": self.arn.split(":")[3], "eventSourceARN": self.arn,
        } for record in records]}

    def drain(self, shard: str) -> list[str]:
        """Invokes the function until all records are processed, and returns those that failed after all attempts."""
        waiting, dropped, n_attempts = self.records(shard), [], 0
        while waiting:
            batch = waiting[: self.batch_size]
            failed = failed_of(self.function, self.event(shard, batch))
            if not failed:
                waiting, n_attempts = waiting[len(batch):], 0
                continue
            numbers = [record["SequenceNumber"] for record in batch]
            lowest = min(numbers.index(number) for number in failed)
            n_attempts = n_attempts + 1 if lowest == 0 else 0
            waiting = waiting[lowest:]
            if n_attempts > self.attempts_max:
                dropped.append(waiting.pop(0)["SequenceNumber"])
                n_attempts = 0
        return dropped
