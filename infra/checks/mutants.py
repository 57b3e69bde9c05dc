"""Breaks promises of the module on purpose, one in each copy of it, and demands that its tests notice.

    python3 checks/mutants.py quick     the three without which nothing should be deployed
    python3 checks/mutants.py all       all of them

It wants a `terraform init` before it, whose data folder it uses (TF_DATA_DIR).
"""

import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

INFRA = Path(__file__).resolve().parent.parent


class Mutant(NamedTuple):
    """A promise that is broken: how, and which file of tests notices by which message."""

    promise: str
    file: str
    old: str
    new: str
    test: str
    message: str
    is_quick: bool = False


REDRIVE = """  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = var.attempts_max
  })
"""

MUTANTS = [
    Mutant(
        "no action is a wildcard",
        "modules/function/main.tf", '"logs:PutLogEvents"]', '"logs:*"]',
        "rights", "a right has a wildcard", is_quick=True,
    ),
    Mutant(
        "the table is encrypted",
        "modules/table/main.tf", "server_side_encryption {\n    enabled     = true", "server_side_encryption {\n    enabled     = false",
        "stores", "the table is not encrypted with the key", is_quick=True,
    ),
    Mutant(
        "a queue has dead letters",
        "modules/queue/main.tf", REDRIVE, "",
        "triggers", "redrive_policy", is_quick=True,
    ),
    Mutant(
        "every statement names its resources",
        "main.tf", "Resource = module.table[*].arn", 'Resource = ["*"]',
        "rights", "a statement names no resource",
    ),
    Mutant(
        "a function has no right that is not in the list",
        "main.tf", '"dynamodb:PutItem",', '"dynamodb:DeleteTable", "dynamodb:PutItem",',
        "rights", "a function has a right that is not in the list",
    ),
    Mutant(
        "a function may read its own password only",
        "main.tf", "Resource = [try(var.cache.password.arn, null)]", 'Resource = [replace(try(var.cache.password.arn, ""), "/[^:]+$/", "*")]',
        "rights", "a function may not read its password, or more than that",
    ),
    Mutant(
        "functions reach the cache, and nothing else",
        "modules/network/main.tf", "  to_port           = var.external_cache_port", "  to_port           = 65535",
        "deployment", "the functions cannot reach the cache, or more than that",
    ),
    Mutant(
        "only the sweep may touch the history",
        "main.tf", "statements         = local.statements\n", "statements         = concat(local.statements, local.history_statements)\n",
        "rights", "a function that never touches the table may",
    ),
    Mutant(
        "what can never be stored wakes somebody up",
        "modules/alarms/main.tf", "local.of_poisoned, ", "",
        "deployment", "an alarm is missing",
    ),
    Mutant(
        "the code of a function has no right to network interfaces",
        "modules/function/main.tf", 'Effect    = "Deny"', 'Effect    = "Allow"',
        "rights", "the code of a function is not denied",
    ),
    Mutant(
        "the cache is reached over TLS only",
        "modules/cache/main.tf", 'transit_encryption_mode    = "required"', 'transit_encryption_mode    = "preferred"',
        "stores", "the cache is reached without TLS",
    ),
    Mutant(
        "no password is in the state",
        "modules/cache/main.tf", 'type = "iam"', 'type      = "password"\n    passwords = ["sixteen-letters-or-more"]',
        "stores", "the user has a password",
    ),
    Mutant(
        "a full cache refuses",
        "modules/cache/main.tf", '"noeviction"', '"allkeys-lru"',
        "stores", "a full cache drops series",
    ),
    Mutant(
        "history can be restored",
        "modules/table/main.tf", "point_in_time_recovery {\n    enabled = true", "point_in_time_recovery {\n    enabled = false",
        "stores", "the table can be lost by a mistake",
    ),
    Mutant(
        "history expires",
        "modules/table/main.tf", 'attribute_name = "expires_at"', 'attribute_name = "expires"',
        "stores", "episodes are kept for ever",
    ),
    Mutant(
        "a queue is encrypted",
        "modules/queue/main.tf", "sqs_managed_sse_enabled   = var.kms_key_arn == null ? true : null", "",
        "triggers", "a queue is not encrypted",
    ),
    Mutant(
        "a batch of a queue is answered in parts",
        "modules/queue/main.tf", '["ReportBatchItemFailures"]', "[]",
        "triggers", "one message that fails brings back its whole batch",
    ),
    Mutant(
        "a record that always fails does not hold up its shard",
        "modules/stream/main.tf", "bisect_batch_on_function_error = true", "bisect_batch_on_function_error = false",
        "triggers", "a record that fails brings back what was stored before it",
    ),
    Mutant(
        "every route asks who calls",
        "modules/api/main.tf", 'iam = "AWS_IAM"', 'iam = "NONE"',
        "front", "a route asks nobody",
    ),
    Mutant(
        "what asks nobody is on no route",
        "modules/api/main.tf", '"GET /openapi.json"     = "analyze"', '"GET /openapi.json"     = "analyze"\n    "GET /metrics"          = "analyze"',
        "front", "a route that asks nobody within the function can be reached",
    ),
    Mutant(
        "the endpoint leads to one table",
        "modules/network/main.tf", "Resource  = [var.table_arn]", 'Resource  = ["*"]',
        "front", "the endpoint leads to the tables of others",
    ),
    Mutant(
        "lines are not kept for ever",
        "modules/function/main.tf", "retention_in_days = var.log_retention_days", "retention_in_days = 0",
        "function", "log lines are kept for ever",
    ),
    Mutant(
        "a roll back takes all calls from the newest version",
        "modules/function/main.tf", "function_version = coalesce(var.release.version, aws_lambda_function.this.version)", "function_version = aws_lambda_function.this.version",
        "function", "the newest version still gets calls",
    ),
    Mutant(
        "dead letters wake somebody up",
        "modules/alarms/main.tf", "local.of_functions, local.of_dead_letters,", "local.of_functions,",
        "deployment", "an alarm is missing",
    ),
    Mutant(
        "a function URL asks who calls",
        "main.tf", 'authorization_type = "AWS_IAM"', 'authorization_type = "NONE"',
        "deployment", "a function URL asks nobody",
    ),
]


def survives(mutant: Mutant) -> str | None:
    """Why the tests do not notice; nothing where they do."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "infra"
        shutil.copytree(INFRA, copy, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        shutil.copy(INFRA / ".terraform.lock.hcl", copy)
        file = copy / mutant.file
        file.write_text(file.read_text().replace(mutant.old, mutant.new))
        run = subprocess.run(
            ["terraform", "test", "-no-color", f"-filter=tests/{mutant.test}.tftest.hcl"],
            cwd=copy, capture_output=True, text=True,
        )
    said = re.sub(r"\s+", " ", run.stdout + run.stderr)
    if run.returncode == 0:
        return "the tests pass"
    if mutant.message not in said:
        return f"the tests fail, but do not say `{mutant.message}`: {said[:2000]}"
    return None


def main() -> int:
    stale = [mutant for mutant in MUTANTS if mutant.old not in (INFRA / mutant.file).read_text()]
    for mutant in stale:
        print(f"infra: `{mutant.old}` is not in {mutant.file}: the mutant is out of date", file=sys.stderr)
    if stale:
        return 1
    mutants = [mutant for mutant in MUTANTS if sys.argv[1:] == ["all"] or mutant.is_quick]
    with ThreadPoolExecutor(max_workers=2) as pool:
        whys = list(pool.map(survives, mutants))
    for mutant, why in zip(mutants, whys):
        if why is not None:
            print(f"infra: nobody notices where it no longer holds that {mutant.promise}: {why}", file=sys.stderr)
    print(f"infra: {whys.count(None)} of {len(mutants)} broken promises are noticed")
    return 0 if whys.count(None) == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
