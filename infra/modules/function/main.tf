# A function, its role, its log and the alias that callers use.

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

locals {
  log_group = "/aws/lambda/${var.name}"

  # The network interfaces of a function are the service's own doing, but it asks the function's role for the right.
  # `Describe` knows no resources, and the check that Lambda makes before it creates a function wants all six on `*`.
  # The second statement takes the right away again from the code that runs in the function.
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
      # X-Ray knows no resources.
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

  # Without the keys that are null, which a policy may not have.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for it in local.own_statements : { for key, value in it : key => value if key != "when" && value != null } if it.when],
      [for it in var.statements : { Sid = it.Sid, Effect = "Allow", Action = it.Action, Resource = it.Resource }],
    )
  })

  # Known before the function is, so that its role can name it.
  function_arn = join(":", [
    "arn", data.aws_partition.current.partition, "lambda", data.aws_region.current.name,
    data.aws_caller_identity.current.account_id, "function", var.name,
  ])
}

resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_338:How long is the user's choice; a year of a line for each request costs more than the rest
  # checkov:skip=CKV_AWS_158:Logs are always encrypted, and with a key of one's own where `kms` gives one
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
  # checkov:skip=CKV_AWS_290:The one statement without resources is about network interfaces, and explained above
  # checkov:skip=CKV_AWS_355:As above; `terraform test` demands that no other statement has a wildcard
  name   = "function"
  role   = aws_iam_role.this.id
  policy = local.policy
}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_272:Packages are built by whoever deploys; a signing profile is an account's decision
  # checkov:skip=CKV_AWS_116:Only asynchronous invocations can be dead letters; where there are some, they have a queue
  # checkov:skip=CKV_AWS_173:Variables are always encrypted, hold no secret, and have a key of one's own where `kms` gives one
  # checkov:skip=CKV_AWS_117:In a network wherever the cache is; an external Redis on the internet is reached without one
  # checkov:skip=CKV_AWS_115:A reservation by default would fail in a new account, which has ten in all
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
  # A version for each change, so that the alias can go back to it.
  publish = true

  environment {
    variables = var.environment
  }

  # The functions write JSON themselves, with their own level in `RUST_LOG`.
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

  # Lambda tries the rights of the role when the function is made.
  depends_on = [aws_iam_role_policy.this]
  tags       = var.tags
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "What callers and triggers invoke"
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
