"""Breaks one promise in each copy of the module, and checks that the tests fail.

    python3 checks/mutants.py quick     the three most important promises
    python3 checks/mutants.py all       all promises

Needs the data folder of a `terraform init` in TF_DATA_DIR.
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
    """A broken promise: the changed text, and the test file and message that must report it."""

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
        "rights", "a function may not read its password, or may read more",
    ),
    Mutant(
        "functions reach the cache only",
        "modules/network/main.tf", "  to_port           = var.external_cache_port", "  to_port           = 65535",
        "deployment", "the functions cannot reach the cache, or can reach more",
    ),
    Mutant(
        "only `analyze` has rights on the history",
        "main.tf", "statements         = local.statements\n", "statements         = concat(local.statements, local.history_statements)\n",
        "rights", "a function has rights on the table without using it",
    ),
    Mutant(
        "poisoned records have an alarm",
        "modules/alarms/main.tf", "local.of_poisoned, ", "",
        "deployment", "an alarm is missing",
    ),
    Mutant(
        "the code of a function has no right to network interfaces",
        "modules/function/main.tf", 'Effect    = "Deny"', 'Effect    = "Allow"',
        "rights", "the code of a function is not denied",
    ),
    Mutant(
        "the cache accepts connections over TLS only",
        "modules/cache/main.tf", 'transit_encryption_mode    = "required"', 'transit_encryption_mode    = "preferred"',
        "stores", "the cache accepts connections without TLS",
    ),
    Mutant(
        "the state contains no password",
        "modules/cache/main.tf", 'type = "iam"', 'type      = "password"\n    passwords = ["sixteen-letters-or-more"]',
        "stores", "the user has a password",
    ),
    Mutant(
        "a full cache refuses writes",
        "modules/cache/main.tf", '"noeviction"', '"allkeys-lru"',
        "stores", "a full cache evicts acknowledged series",
    ),
    Mutant(
        "the history can be restored",
        "modules/table/main.tf", "point_in_time_recovery {\n    enabled = true", "point_in_time_recovery {\n    enabled = false",
        "stores", "the table has no protection against deletion, or no backups",
    ),
    Mutant(
        "the history expires",
        "modules/table/main.tf", 'attribute_name = "expires_at"', 'attribute_name = "expires"',
        "stores", "episodes do not expire",
    ),
    Mutant(
        "a queue is encrypted",
        "modules/queue/main.tf", "sqs_managed_sse_enabled   = var.kms_key_arn == null ? true : null", "",
        "triggers", "a queue is not encrypted",
    ),
    Mutant(
        "a batch of a queue may fail partially",
        "modules/queue/main.tf", '["ReportBatchItemFailures"]', "[]",
        "triggers", "one failed message redelivers its whole batch",
    ),
    Mutant(
        "a record that always fails does not block its shard",
        "modules/stream/main.tf", "bisect_batch_on_function_error = true", "bisect_batch_on_function_error = false",
        "triggers", "a failed record redelivers the records before it",
    ),
    Mutant(
        "every route authenticates callers",
        "modules/api/main.tf", 'iam = "AWS_IAM"', 'iam = "NONE"',
        "front", "a route does not authenticate callers",
    ),
    Mutant(
        "routes without authentication in the function are not exposed",
        "modules/api/main.tf", '"GET /openapi.json"     = "analyze"', '"GET /openapi.json"     = "analyze"\n    "GET /metrics"          = "analyze"',
        "front", "a route without authentication in the function is exposed",
    ),
    Mutant(
        "the endpoint allows one table",
        "modules/network/main.tf", "Resource  = [var.table_arn]", 'Resource  = ["*"]',
        "front", "the endpoint allows other tables",
    ),
    Mutant(
        "logs have a retention",
        "modules/function/main.tf", "retention_in_days = var.log_retention_days", "retention_in_days = 0",
        "function", "log lines have no retention",
    ),
    Mutant(
        "a rollback sends no calls to the newest version",
        "modules/function/main.tf", "function_version = coalesce(var.release.version, aws_lambda_function.this.version)", "function_version = aws_lambda_function.this.version",
        "function", "the newest version is still invoked",
    ),
    Mutant(
        "dead letters have an alarm",
        "modules/alarms/main.tf", "local.of_functions, local.of_dead_letters,", "local.of_functions,",
        "deployment", "an alarm is missing",
    ),
    Mutant(
        "alerts go to the named topics only",
        "main.tf", "Resource = var.alerts.sns_topic_arns", 'Resource = ["arn:aws:sns:eu-central-1:123456789012:other"]',
        "rights", "a function has rights on receivers without using them",
    ),
    Mutant(
        "only `analyze` may send alerts",
        "main.tf", "statements         = concat(local.statements, local.history_statements, local.alert_statements)", "statements         = concat(local.statements, local.history_statements)",
        "rights", "a function has rights on receivers without using them",
    ),
    Mutant(
        "a function URL authenticates callers",
        "main.tf", 'authorization_type = "AWS_IAM"', 'authorization_type = "NONE"',
        "deployment", "a function URL does not authenticate callers",
    ),
]


def survives(mutant: Mutant) -> str | None:
    """Returns the reason that the tests did not report the mutant, or `None` if they did."""
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
    output = re.sub(r"\s+", " ", run.stdout + run.stderr)
    if run.returncode == 0:
        return "the tests pass"
    if mutant.message not in output:
        return f"the tests fail, but without the message `{mutant.message}`: {output[:2000]}"
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
            print(f"infra: no test reports the broken promise that {mutant.promise}: {why}", file=sys.stderr)
    print(f"infra: the tests report {whys.count(None)} of {len(mutants)} broken promises")
    return 0 if whys.count(None) == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
