# A function, its role, its log group and the alias that callers invoke.

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

locals {
  log_group = "/aws/lambda/${var.name}"

  # Lambda manages the network interfaces of a function with the function's role. `Describe` has no resources, and Lambda
  # checks all six rights on `*` before it creates a function. A second statement denies them to the code of the function.
  network_actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ]

  own_statements = [
    {
      when      = true
      Sid       = "Log"
      Effect    = "Allow"
      Action    = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource  = ["${aws_cloudwatch_log_group.this.arn}:*"]
      Condition = null
    },
    {
      when      = var.vpc != null
      Sid       = "NetworkOfTheService"
      Effect    = "Allow"
      Action    = local.network_actions
      Resource  = ["*"]
      Condition = null
    },
    {
      when      = var.vpc != null
      Sid       = "NoNetworkForTheCode"
      Effect    = "Deny"
      Action    = local.network_actions
      Resource  = ["*"]
      Condition = { ArnEquals = { "lambda:SourceFunctionArn" = local.function_arn } }
    },
    {
      # X-Ray rights have no resources.
      when      = var.is_traced
      Sid       = "Trace"
      Effect    = "Allow"
      Action    = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      Resource  = ["*"]
      Condition = null
    },
    {
      when      = var.has_dead_letters
      Sid       = "DeadLetters"
      Effect    = "Allow"
      Action    = ["sqs:SendMessage"]
      Resource  = [var.dead_letter_queue_arn]
      Condition = null
    },
    {
      when      = var.kms_key_arn != null
      Sid       = "Key"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = [var.kms_key_arn]
      Condition = null
    },
  ]

  # Drops null keys, which a policy must not have.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for statement in local.own_statements : { for key, value in statement : key => value if key != "when" && value != null } if statement.when],
      [for statement in var.statements : { Sid = statement.Sid, Effect = "Allow", Action = statement.Action, Resource = statement.Resource }],
    )
  })

  # Composed from its parts, so that the role can name the function before it exists.
  function_arn = join(":", [
    "arn", data.aws_partition.current.partition, "lambda", data.aws_region.current.name,
    data.aws_caller_identity.current.account_id, "function", var.name,
  ])
}

resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_338:The user chooses the retention; a year of one line per request costs more than the rest
  # checkov:skip=CKV_AWS_158:Logs are always encrypted, with the user's key if `kms` sets one
  name              = local.log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_iam_role" "this" {
  name = var.name
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
  tags = var.tags
}

resource "aws_iam_role_policy" "this" {
  # checkov:skip=CKV_AWS_290:Only network interfaces and traces have no resources, as explained above
  # checkov:skip=CKV_AWS_355:As above; `terraform test` checks that no other statement has a wildcard
  name   = "function"
  role   = aws_iam_role.this.id
  policy = local.policy
}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_272:Users build the packages; a signing profile is a decision of the account
  # checkov:skip=CKV_AWS_116:Only asynchronous invocations have dead letters; a function with events has a queue for them
  # checkov:skip=CKV_AWS_173:Variables contain no secret and are always encrypted, with the user's key if `kms` sets one
  # checkov:skip=CKV_AWS_117:In the network of the cache; an external Redis on the internet needs none
  # checkov:skip=CKV_AWS_115:A default reservation would fail in a new account, which has a concurrency of ten
  # checkov:skip=CKV_AWS_50:Traced by default
  function_name                  = var.name
  description                    = var.description
  role                           = aws_iam_role.this.arn
  package_type                   = "Zip"
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  architectures                  = [var.architecture]
  filename                       = var.package
  source_code_hash               = filebase64sha256(var.package)
  memory_size                    = var.memory_mb
  timeout                        = var.timeout_s
  reserved_concurrent_executions = var.reserved_concurrency
  kms_key_arn                    = var.kms_key_arn
  # Publishes a version for each change, so that the alias can be set back.
  publish = true

  environment {
    variables = var.environment
  }

  # The functions write JSON lines and filter them by `RUST_LOG`.
  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  tracing_config {
    mode = var.is_traced ? "Active" : "PassThrough"
  }

  dynamic "vpc_config" {
    for_each = var.vpc == null ? [] : [var.vpc]
    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  # Lambda checks the rights of the role when it creates the function.
  depends_on = [aws_iam_role_policy.this]
  tags       = var.tags
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "Invoked by callers and triggers"
  function_name    = aws_lambda_function.this.function_name
  function_version = coalesce(var.release.version, aws_lambda_function.this.version)

  dynamic "routing_config" {
    for_each = var.release.version != null && var.release.new_version_weight > 0 ? [1] : []
    content {
      additional_version_weights = { (aws_lambda_function.this.version) = var.release.new_version_weight }
    }
  }
}

resource "aws_lambda_function_event_invoke_config" "live" {
  count = var.has_dead_letters ? 1 : 0

  function_name                = aws_lambda_function.this.function_name
  qualifier                    = aws_lambda_alias.live.name
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 3600

  destination_config {
    on_failure {
      destination = var.dead_letter_queue_arn
    }
  }

  depends_on = [aws_iam_role_policy.this]
}
