"""Applies the example `complete` to a stand-in for AWS, and uses what it made.

    python3 checks/apply.py FOLDER

FOLDER holds the packages, as `make lambda-build` makes them. The stand-in is moto; it has no ElastiCache, so the cache is
a Redis of this machine, and it runs no functions, so a Runtime API of `runtime_api.py` does. It wants `moto_server` and
`redis-server` on the path, and TF_DATA_DIR of an initialized example.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import boto3

from processes import free_port, running
from runtime_api import Function

INFRA = Path(__file__).resolve().parent.parent
REGION = "eu-west-1"
# moto takes any keys; the provider and the functions want some.
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
APPLY_TIMEOUT_S = 420


def copy_of_module(folder: Path) -> Path:
    """Without what moto never tells of, for which the provider would wait for ever."""
    copy = folder / "infra"
    shutil.copytree(INFRA, copy, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*"))
    queue = copy / "modules/queue/main.tf"
    text, n = re.subn(r'resource "aws_sqs_queue_redrive_allow_policy" .*?\n}\n', "", queue.read_text(), flags=re.DOTALL)
    assert n == 1, "the policy of dead letters is no longer there"
    queue.write_text(text)
    return copy


def terraform(module: Path, *arguments: str, endpoint: str) -> str:
    run = subprocess.run(
        ["terraform", f"-chdir={module}/examples/complete", *arguments],
        env=os.environ | KEYS | {"AWS_ENDPOINT_URL": endpoint}, capture_output=True, text=True, timeout=APPLY_TIMEOUT_S,
    )
    if run.returncode != 0:
        raise RuntimeError(f"terraform {arguments[0]}: {run.stdout[-3000:]}\n{run.stderr[-6000:]}")
    return run.stdout


def n_made(state: Path) -> int:
    resources = json.loads(state.read_text())["resources"]
    return sum(len(it["instances"]) for it in resources if it["mode"] == "managed")


def apply(module: Path, packages: Path, endpoint: str) -> dict:
    """The outputs of all but the cache; the network, which goes with a cache, is made apart, in another region."""
    state, network = module / "complete.tfstate", module / "network.tfstate"
    variables = ["-no-color", "-auto-approve", f"-var=packages_folder={packages}", "-var=protection=false"]
    external = '-var=cache={mode="external",url="rediss://redis.example.com:6379"}'
    terraform(module, "apply", f"-state={state}", *variables, f"-var=region={REGION}", external, endpoint=endpoint)
    print(f"apply: {n_made(state)} resources")
    terraform(module, "apply", f"-state={network}", *variables, "-var=region=us-east-1", "-target=module.tidemark.module.network", endpoint=endpoint)
    print(f"apply: the network and its table, {n_made(network)} resources")
    outputs = json.loads(terraform(module, "output", f"-state={state}", "-json", endpoint=endpoint))
    return {name: it["value"] for name, it in outputs.items()}


def check_table(client, name: str):
    """As the functions expect it, and as the promises are."""
    table = client.describe_table(TableName=name)["Table"]
    assert {it["AttributeName"]: it["KeyType"] for it in table["KeySchema"]} == {"pk": "HASH", "sk": "RANGE"}, table
    ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert ttl["TimeToLiveStatus"] == "ENABLED" and ttl["AttributeName"] == "expires_at", ttl
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED", backups
    print(f"table: {name} has its keys, its expiry and its backups")


def binary_of(packages: Path, function: str, folder: Path) -> Path:
    """The binary of a package, as Lambda unpacks it."""
    with zipfile.ZipFile(packages / "x86_64" / function / "bootstrap.zip") as package:
        package.extract("bootstrap", folder / function)
    binary = folder / function / "bootstrap"
    binary.chmod(0o755)
    return binary


def sqs_event(messages: list[dict], arn: str) -> dict:
    return {"Records": [{
        "messageId": it["MessageId"], "receiptHandle": it["ReceiptHandle"], "body": it["Body"],
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1732060800000", "SenderId": "a",
                       "ApproximateFirstReceiveTimestamp": "1732060800000"},
        "messageAttributes": {}, "md5OfBody": it["MD5OfBody"], "eventSource": "aws:sqs", "eventSourceARN": arn, "awsRegion": REGION,
    } for it in messages]}


def use_queue(client, url: str, function: Function):
    """Plays the event source mapping: what is not named as failed is deleted, the rest comes again."""
    arn = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    samples = [{"source": "checkout", "metric": "rps", "timestamp": 1732060800000 + 60000 * n, "value": 100 + n} for n in range(5)]
    for body in [*map(json.dumps, samples), "no JSON at all"]:
        client.send_message(QueueUrl=url, MessageBody=body)
    messages = []
    while len(messages) < 6:
        messages += client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    poisoned = [it["MessageId"] for it in messages if it["Body"] == "no JSON at all"]
    for _replay in range(2):
        kind, answer, _ = function.invoke(sqs_event(messages, arn))
        failed = [it["itemIdentifier"] for it in answer["batchItemFailures"]]
        assert kind == "response" and failed == poisoned, (kind, answer)
    for it in messages:
        if it["MessageId"] not in failed:
            client.delete_message(QueueUrl=url, ReceiptHandle=it["ReceiptHandle"])
    print(f"queue: {len(samples)} messages stored and deleted, the poisoned one of them named, twice the same")


def series_of(function: Function) -> dict:
    """What `analyze` says of the series that the queue brought."""
    event = json.loads((INFRA.parent / "events/apigw-v2-analyze-series.json").read_text())
    kind, answer, _ = function.invoke(event)
    assert kind == "response" and answer["statusCode"] == 200, (kind, answer)
    return json.loads(answer["body"])


def main() -> int:
    packages = Path(sys.argv[1]).resolve()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port, redis_port = free_port(), free_port()
        endpoint = f"http://127.0.0.1:{port}"
        stack.enter_context(running(["moto_server", "-p", str(port)], env=os.environ | {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}))
        outputs = apply(copy_of_module(folder), packages, endpoint)
        client = lambda service: boto3.client(service, endpoint_url=endpoint, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
        check_table(client("dynamodb"), outputs["table_name"])

        stack.enter_context(running(["redis-server", "--port", str(redis_port), "--save", "", "--dir", str(folder)]))
        # Their variables are the deployed ones, but for where cache and AWS are.
        here = {"REDIS_URL": f"redis://127.0.0.1:{redis_port}", "AWS_ENDPOINT_URL": endpoint, "AWS_ENDPOINT_URL_DYNAMODB": endpoint}
        functions = {}
        for name, it in outputs["functions"].items():
            deployed = client("lambda").get_function_configuration(FunctionName=it["name"])["Environment"]["Variables"]
            functions[name] = stack.enter_context(Function(binary_of(packages, name, folder), deployed | KEYS | here))
        use_queue(client("sqs"), outputs["queue_url"], functions["ingest-stream"])
        seen = series_of(functions["analyze"])
        assert seen["window"]["count"] == 5, seen
        print("series: five samples of the queue are in the store, once each")
        return 0


if __name__ == "__main__":
    sys.exit(main())
