"""Applies the example `complete` to moto, a mock of AWS, and runs the functions against the created resources.

    python3 checks/apply.py packages FOLDER      deploys and runs the packages of `make lambda-build`
    python3 checks/apply.py binaries FOLDER      deploys empty packages, and runs the binaries that Cargo built

moto has no ElastiCache, so the cache is a local Redis. It runs no functions, so the Runtime API of `runtime_api.py` does.
Needs `moto_server` and `redis-server` on the path, boto3, and the TF_DATA_DIR of an initialized example.
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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.config import Config

import deployment
from processes import free_port, running
from runtime_api import Function

INFRA = Path(__file__).resolve().parent.parent
REGION = "eu-west-1"
# moto accepts any keys; the provider and the functions require some.
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
APPLY_TIMEOUT_S = 420


def copy_of_module(folder: Path) -> Path:
    """Copies the module without a resource that moto does not report: the provider would wait for it until its timeout."""
    copy = folder / "infra"
    shutil.copytree(INFRA, copy, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*"))
    queue = copy / "modules/queue/main.tf"
    text, n = re.subn(r'resource "aws_sqs_queue_redrive_allow_policy" .*?\n}\n', "", queue.read_text(), flags=re.DOTALL)
    assert n == 1, "the redrive policy of dead letters is missing"
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
    return sum(len(resource["instances"]) for resource in resources if resource["mode"] == "managed")


def apply(module: Path, packages: Path, endpoint: str) -> dict:
    """Applies all but the cache and returns the outputs; applies the network, which needs a cache, in another region."""
    state, network = module / "complete.tfstate", module / "network.tfstate"
    variables = ["-no-color", "-auto-approve", f"-var=packages_folder={packages}", "-var=protection=false"]
    external = '-var=cache={mode="external",url="rediss://redis.example.com:6379"}'
    of_all = [f"-state={state}", *variables, f"-var=region={REGION}", external]
    of_network = [f"-state={network}", *variables, "-var=region=us-east-1", "-target=module.tidemark.module.network"]
    # Both in parallel, since the provider mostly waits.
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda arguments: terraform(module, "apply", *arguments, endpoint=endpoint), [of_all, of_network]))
    print(f"apply: {n_made(state)} resources; the network and its table, {n_made(network)}")
    outputs = json.loads(terraform(module, "output", f"-state={state}", "-json", endpoint=endpoint))
    return {name: output["value"] for name, output in outputs.items()}


def binary_of(packages: Path, function: str, folder: Path) -> Path:
    """Unpacks the binary of a package, like Lambda."""
    with zipfile.ZipFile(packages / "x86_64" / function / "bootstrap.zip") as package:
        package.extract("bootstrap", folder / function)
    binary = folder / function / "bootstrap"
    binary.chmod(0o755)
    return binary


def main() -> int:
    kind, given = sys.argv[1], Path(sys.argv[2]).resolve()
    packages = given if kind == "packages" else INFRA / "tests/packages"
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port, redis_port = free_port(), free_port()
        endpoint = f"http://127.0.0.1:{port}"
        stack.enter_context(running(["moto_server", "-p", str(port)], env=os.environ | {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}))
        outputs = apply(copy_of_module(folder), packages, endpoint)
        options = {
            "endpoint_url": endpoint, "region_name": REGION, "aws_access_key_id": "test", "aws_secret_access_key": "test",
            "config": Config(retries={"max_attempts": 0}),
        }
        clients = {service: boto3.client(service, **options) for service in ("dynamodb", "kinesis", "lambda", "sqs")}

        stack.enter_context(running(["redis-server", "--port", str(redis_port), "--save", "", "--dir", str(folder)]))
        # The deployed variables, except for the addresses of the cache and of AWS.
        local = {"REDIS_URL": f"redis://127.0.0.1:{redis_port}", "AWS_ENDPOINT_URL": endpoint}
        functions = {}
        for name, function in outputs["functions"].items():
            variables = clients["lambda"].get_function_configuration(FunctionName=function["name"])["Environment"]["Variables"]
            binary = binary_of(packages, name, folder) if kind == "packages" else given / name
            functions[name] = stack.enter_context(Function(binary, variables | KEYS | local))
        empty_cache = lambda: subprocess.run(["redis-cli", "-p", str(redis_port), "FLUSHALL"], check=True, capture_output=True)
        deployment.use(outputs, clients, functions, empty_cache)
    return 0


if __name__ == "__main__":
    sys.exit(main())
