"""What the example `complete` promises of its queue, its stream and its table, asked of the real functions."""

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
# Days that the example keeps an episode, and how much of them a slow machine may take from the write to the look.
HISTORY_DAYS, LOOKED_AFTER_S_MAX = 730, 600


def series(source: str) -> list[str]:
    """Minutes of a series with a spike of three, as the bodies of messages."""
    samples = [{"source": source, "metric": "rps", "timestamp": START_MS + 60_000 * n, "value": 900 if n in SPIKE else 100 + n % 7}
               for n in range(N_MINUTES)]
    return [json.dumps(samples[n:n + SAMPLES_A_MESSAGE]) for n in range(0, N_MINUTES, SAMPLES_A_MESSAGE)]


def ask(function: Function, path: str, **query: str) -> str:
    """The body that a function answers behind the API."""
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
    """How many samples had this outcome, as counted by the store."""
    label = f'samples_total{{outcome="{outcome}"}} '
    (line,) = (line for line in ask(analyze, "/metrics").splitlines() if line.startswith(label))
    return int(line.removeprefix(label))


def check_table(client, name: str):
    """As the functions expect it, and as the promises are."""
    table = client.describe_table(TableName=name)["Table"]
    assert {key["AttributeName"]: key["KeyType"] for key in table["KeySchema"]} == {"pk": "HASH", "sk": "RANGE"}, table
    ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert ttl["TimeToLiveStatus"] == "ENABLED" and ttl["AttributeName"] == "expires_at", ttl
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED", backups
    print(f"table: {name} has its keys, its expiry and its backups")


def use_queue(clients: dict, url: str, ingest_stream: Function):
    """A poisoned message is named each time, and laid aside by the queue; one already seen changes nothing."""
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
    # Nobody learned of that answer: all of it comes again.
    for message in messages:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    named = mapping.drain()
    assert named == [poisoned] * (attempts_max - 1), named

    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"])["Attributes"]
    assert set(counts.values()) == {"0"}, counts
    (dead,) = sqs.receive_message(QueueUrl=dead_letters_url, MaxNumberOfMessages=10, WaitTimeSeconds=0)["Messages"]
    assert dead["Body"] == POISON, dead
    print(f"queue: {len(messages)} messages, delivered twice; the poisoned one was named {attempts_max} times and is a dead letter, the others are gone")


def use_stream(clients: dict, name: str, ingest_stream: Function):
    """A poisoned record is named, the batch is taken up there, and what comes behind it is stored in the end."""
    kinesis = clients["kinesis"]
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    mapping = StreamMapping(kinesis, name, summary["StreamARN"], deployed(clients["lambda"], summary["StreamARN"]), ingest_stream)
    bodies = series("stream")
    records = [*bodies[:7], POISON, *bodies[7:]]
    mapping.put(records)
    shards = {shard["ShardId"]: mapping.records(shard["ShardId"]) for shard in kinesis.list_shards(StreamName=name)["Shards"]}
    ((shard, kept),) = ((shard, kept) for shard, kept in shards.items() if kept)
    assert [record["Data"].decode() for record in kept] == records, kept
    assert mapping.drain(shard) == [kept[7]["SequenceNumber"]]
    print(f"stream: {len(records)} records; the poisoned one was given up after {mapping.attempts_max} more attempts, those behind it are stored")


def use_table(client, table: str, analyze: Function, empty_cache):
    """The sweep brings episodes there, once; they are read where the cache has lost all it had."""
    swept = sweep(analyze)
    assert swept["episodes_saved"] == 2 and swept["unsaved"] == 0, swept
    items = client.scan(TableName=table)["Items"]
    starts = {item["sk"]["S"] for item in items}
    assert starts == {f"{1000 * (START_MS + 60_000 * SPIKE.start):016}"}, items
    assert {item["pk"]["S"] for item in items} == {"default#queue/rps", "default#stream/rps"}, items
    for item in items:
        left_s = int(item["expires_at"]["N"]) - time.time()
        assert 0 <= HISTORY_DAYS * 86_400 - left_s < LOOKED_AFTER_S_MAX, item
    assert sweep(analyze)["episodes_saved"] == 0
    assert client.scan(TableName=table)["Items"] == items

    wanted = {source: json.loads(ask(analyze, "/episodes", source=source, metric="rps"))["episodes"] for source in ("queue", "stream")}
    assert all([(episode["state"], episode["samples"]) for episode in episodes] == [("over", len(SPIKE))] for episodes in wanted.values()), wanted
    empty_cache()
    for source, episodes in wanted.items():
        assert json.loads(ask(analyze, "/episodes", source=source, metric="rps"))["episodes"] == episodes
        anomalies = json.loads(ask(analyze, "/anomalies", source=source, metric="rps"))["anomalies"]
        assert [anomaly["timestamp"] for anomaly in anomalies] == [episodes[0]["peak"]["timestamp"]], anomalies
    print(f"table: {len(items)} episodes, each once, kept for {HISTORY_DAYS} days, and read after the cache lost everything")


def use(outputs: dict, clients: dict, functions: dict[str, Function], empty_cache):
    """Uses all of it, as senders, readers and the schedule do."""
    ingest_stream, analyze = functions["ingest-stream"], functions["analyze"]
    check_table(clients["dynamodb"], outputs["table_name"])
    # The schedule has come once: the store knows that somebody keeps history.
    assert sweep(analyze)["episodes_saved"] == 0
    use_queue(clients, outputs["queue_url"], ingest_stream)
    use_stream(clients, outputs["stream_name"], ingest_stream)
    n_accepted = n_samples(analyze, "accepted")
    assert n_accepted == 2 * N_MINUTES, n_accepted
    print(f"store: {n_accepted} samples of queue and stream, once each")
    use_table(clients["dynamodb"], outputs["table_name"], analyze, empty_cache)
