"""Checks queue, stream and table of the example `complete` with the real functions."""

import json
import time
from pathlib import Path
from urllib.parse import urlencode

from mapping import QueueMapping, StreamMapping, deployed, failed_of
from runtime_api import Function

EVENTS = Path(__file__).resolve().parents[2] / "events"
POISON = "no JSON at all"
START_MS = 1732060800000
N_MINUTES = 200
SPIKE = range(150, 153)
SAMPLES_A_MESSAGE = 10
# Retention of episodes in the example, and the longest time between the write and the check on a slow machine.
HISTORY_DAYS, CHECKED_AFTER_S_MAX = 730, 600


def series(source: str) -> list[str]:
    """Returns message bodies with the samples of a series, one a minute, with a spike of three samples."""
    samples = [{"source": source, "metric": "rps", "timestamp": START_MS + 60_000 * n, "value": 900 if n in SPIKE else 100 + n % 7}
               for n in range(N_MINUTES)]
    return [json.dumps(samples[n:n + SAMPLES_A_MESSAGE]) for n in range(0, N_MINUTES, SAMPLES_A_MESSAGE)]


def get(function: Function, path: str, **query: str) -> str:
    """Returns the body of a function's answer to a GET request from the API."""
    event = json.loads((EVENTS / "apigw-v2-anomalies.json").read_text())
    event |= {"rawPath": path, "rawQueryString": urlencode(query), "queryStringParameters": query}
    event["requestContext"]["http"]["path"] = path
    kind, answer, _ = function.invoke(event)
    assert kind == "response" and answer["statusCode"] == 200, (kind, answer)
    return answer["body"]


def sweep(analyze: Function) -> dict:
    kind, answer, _ = analyze.invoke(json.loads((EVENTS / "schedule-analyze.json").read_text()))
    assert kind == "response", (kind, answer)
    return answer


def n_samples(analyze: Function, outcome: str) -> int:
    """Returns the number of samples with this outcome, as counted by the store."""
    label = f'samples_total{{outcome="{outcome}"}} '
    (line,) = (line for line in get(analyze, "/metrics").splitlines() if line.startswith(label))
    return int(line.removeprefix(label))


def check_table(client, name: str):
    """Checks keys, expiry and backups of the table."""
    table = client.describe_table(TableName=name)["Table"]
    assert {key["AttributeName"]: key["KeyType"] for key in table["KeySchema"]} == {"pk": "HASH", "sk": "RANGE"}, table
    ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert ttl["TimeToLiveStatus"] == "ENABLED" and ttl["AttributeName"] == "expires_at", ttl
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED", backups
    print(f"table: {name} has its keys, its expiry and its backups")


def use_queue(clients: dict, url: str, ingest_stream: Function):
    """A poisoned message is returned as failed until it is a dead letter; a repeated message changes nothing."""
    sqs = clients["sqs"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    redrive = json.loads(attributes["RedrivePolicy"])
    attempts_max = int(redrive["maxReceiveCount"])
    dead_letters_url = sqs.get_queue_url(QueueName=redrive["deadLetterTargetArn"].split(":")[-1])["QueueUrl"]
    mapping = QueueMapping(sqs, url, attributes["QueueArn"], deployed(clients["lambda"], attributes["QueueArn"]), ingest_stream)
    bodies = series("queue")
    for body in [*bodies, bodies[3], POISON]:
        sqs.send_message(QueueUrl=url, MessageBody=body)

    messages = mapping.receive()
    poisoned = [message["MessageId"] for message in messages if message["Body"] == POISON]
    assert len(messages) == len(bodies) + 2 and len(poisoned) == 1, messages
    assert failed_of(ingest_stream, mapping.event(messages)) == poisoned
    # The answer is discarded, so the queue delivers all messages again.
    for message in messages:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    named = mapping.drain()
    assert named == [poisoned] * (attempts_max - 1), named

    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"])["Attributes"]
    assert set(counts.values()) == {"0"}, counts
    (dead,) = sqs.receive_message(QueueUrl=dead_letters_url, MaxNumberOfMessages=10, WaitTimeSeconds=0)["Messages"]
    assert dead["Body"] == POISON, dead
    print(f"queue: {len(messages)} messages, delivered twice; the poisoned one failed {attempts_max} times and is a dead letter, the others are deleted")


def use_stream(clients: dict, name: str, ingest_stream: Function):
    """A poisoned record is returned as failed, and the records behind it are stored after its last attempt."""
    kinesis = clients["kinesis"]
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    mapping = StreamMapping(kinesis, name, summary["StreamARN"], deployed(clients["lambda"], summary["StreamARN"]), ingest_stream)
    bodies = series("stream")
    records = [*bodies[:7], POISON, *bodies[7:]]
    mapping.put(records)
    shards = {shard["ShardId"]: mapping.records(shard["ShardId"]) for shard in kinesis.list_shards(StreamName=name)["Shards"]}
    ((shard, stored),) = ((shard, stored) for shard, stored in shards.items() if stored)
    assert [record["Data"].decode() for record in stored] == records, stored
    assert mapping.drain(shard) == [stored[7]["SequenceNumber"]]
    print(f"stream: {len(records)} records; the poisoned one was dropped after {mapping.attempts_max} retries, those behind it are stored")


def use_table(client, table: str, analyze: Function, empty_cache):
    """The sweep writes each episode once, and queries return them after the cache has lost all data."""
    swept = sweep(analyze)
    assert swept["episodes_saved"] == 2 and swept["unsaved"] == 0, swept
    items = client.scan(TableName=table)["Items"]
    starts = {item["sk"]["S"] for item in items}
    assert starts == {f"{1000 * (START_MS + 60_000 * SPIKE.start):016}"}, items
    assert {item["pk"]["S"] for item in items} == {"default#queue/rps", "default#stream/rps"}, items
    for item in items:
        left_s = int(item["expires_at"]["N"]) - time.time()
        assert 0 <= HISTORY_DAYS * 86_400 - left_s < CHECKED_AFTER_S_MAX, item
    assert sweep(analyze)["episodes_saved"] == 0
    assert client.scan(TableName=table)["Items"] == items

    expected = {source: json.loads(get(analyze, "/episodes", source=source, metric="rps"))["episodes"] for source in ("queue", "stream")}
    for episodes in expected.values():
        # The return from the spike may be an anomaly, too.
        [episode] = episodes
        assert episode["state"] == "over" and episode["samples"] in (len(SPIKE), len(SPIKE) + 1), episode
    empty_cache()
    for source, episodes in expected.items():
        assert json.loads(get(analyze, "/episodes", source=source, metric="rps"))["episodes"] == episodes
        anomalies = json.loads(get(analyze, "/anomalies", source=source, metric="rps"))["anomalies"]
        assert [anomaly["timestamp"] for anomaly in anomalies] == [episodes[0]["peak"]["timestamp"]], anomalies
    print(f"table: {len(items)} episodes, each once, expiring after {HISTORY_DAYS} days, and readable after the cache lost all data")


def use(outputs: dict, clients: dict, functions: dict[str, Function], empty_cache):
    """Checks the table, the queue and the stream in turn."""
    ingest_stream, analyze = functions["ingest-stream"], functions["analyze"]
    check_table(clients["dynamodb"], outputs["table_name"])
    # The first sweep registers in the store that a history exists.
    assert sweep(analyze)["episodes_saved"] == 0
    use_queue(clients, outputs["queue_url"], ingest_stream)
    use_stream(clients, outputs["stream_name"], ingest_stream)
    n_accepted = n_samples(analyze, "accepted")
    assert n_accepted == 2 * N_MINUTES, n_accepted
    print(f"store: {n_accepted} samples of queue and stream, once each")
    use_table(clients["dynamodb"], outputs["table_name"], analyze, empty_cache)
