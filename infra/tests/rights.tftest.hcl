# Least privilege in a deployment with all features.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  packages_folder = "./tests/packages"
  front           = { kind = "api" }
  kms             = { create = true }
  queue           = {}
  stream          = {}
  events          = { pattern = "{\"source\":[\"load-test\"]}" }
}

run "functions_have_the_rights_they_use" {
  # The full list of rights of all functions: any other right fails the test.
  assert {
    condition = sort(distinct(flatten([
      for policy in values(output.policies) : [for statement in jsondecode(policy).Statement : statement.Action if statement.Effect == "Allow"]
      ]))) == tolist([
      "dynamodb:BatchWriteItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
      "ec2:AssignPrivateIpAddresses",
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSubnets",
      "ec2:UnassignPrivateIpAddresses",
      "elasticache:Connect",
      "kinesis:DescribeStream",
      "kinesis:DescribeStreamSummary",
      "kinesis:GetRecords",
      "kinesis:GetShardIterator",
      "kinesis:ListShards",
      "kms:Decrypt",
      "kms:GenerateDataKey",
      "logs:CreateLogStream",
      "logs:PutLogEvents",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:ReceiveMessage",
      "sqs:SendMessage",
      "xray:PutTelemetryRecords",
      "xray:PutTraceSegments",
    ])
    error_message = "a function has a right that is not in the list, or lacks one"
  }

  assert {
    condition = alltrue(flatten([
      for policy in values(output.policies) : [for statement in jsondecode(policy).Statement : [for action in statement.Action : !strcontains(action, "*")]]
    ]))
    error_message = "a right has a wildcard"
  }

  # Two statements have no resources: network interfaces, which the code is denied, and traces.
  assert {
    condition = alltrue(flatten([
      for policy in values(output.policies) : [
        for statement in jsondecode(policy).Statement : [for resource in statement.Resource : startswith(resource, "arn:aws:") && (
          !strcontains(resource, "*") || can(regex("^arn:aws:logs:[^*]+:\\*$", resource))
        )] if statement.Effect == "Allow" && !contains(["NetworkOfTheService", "Trace"], statement.Sid)
      ]
    ]))
    error_message = "a statement names no resource"
  }

  assert {
    condition = alltrue([
      for policy in values(output.policies) : jsonencode(one([for statement in jsondecode(policy).Statement : statement.Action if statement.Sid == "NetworkOfTheService"])) ==
      jsonencode(one([for statement in jsondecode(policy).Statement : statement.Action if statement.Effect == "Deny"]))
    ])
    error_message = "the code of a function is not denied what the service does with network interfaces"
  }

  assert {
    condition = alltrue([for policy in [output.policies["ingest"], output.policies["analyze"]] :
      length([for statement in jsondecode(policy).Statement : statement if contains(["Queue", "Stream", "StreamDeadLetters", "DeadLetters"], statement.Sid)]) == 0
    ])
    error_message = "a function has rights on queues or streams that it does not use"
  }
}

run "only_analyze_uses_the_history" {
  assert {
    condition = { for key, policy in output.policies : key => length([for statement in jsondecode(policy).Statement : statement if statement.Sid == "History"]) } == {
      analyze = 1, ingest = 0, ingest-stream = 0
    }
    error_message = "a function has rights on the table without using it, or `analyze` has none"
  }

  assert {
    condition     = [for function in [module.analyze, module.ingest, module.ingest_stream[0]] : contains(keys(function.environment), "TIDEMARK_HISTORY_TABLE")] == [true, false, false]
    error_message = "`analyze` lacks the name of its table, or another function has it"
  }
}

run "only_analyze_notifies_and_only_the_named_receivers" {
  variables {
    alerts = {
      sns_topic_arns = ["arn:aws:sns:eu-central-1:123456789012:alerts"]
      event_bus_arns = ["arn:aws:events:eu-central-1:123456789012:event-bus/alerts"]
      policies       = [{ name = "all", policy = "severity=critical" }]
    }
  }

  assert {
    condition = { for key, policy in output.policies : key => [for statement in jsondecode(policy).Statement : [statement.Action, statement.Resource] if startswith(statement.Sid, "Alert")] } == {
      analyze = [
        [["sns:Publish"], ["arn:aws:sns:eu-central-1:123456789012:alerts"]],
        [["events:PutEvents"], ["arn:aws:events:eu-central-1:123456789012:event-bus/alerts"]],
      ]
      ingest        = []
      ingest-stream = []
    }
    error_message = "a function has rights on receivers without using them, or `analyze` has others"
  }

  assert {
    condition     = [for function in [module.analyze, module.ingest, module.ingest_stream[0]] : contains(keys(function.environment), "TIDEMARK_ALERTS")] == [true, false, false]
    error_message = "`analyze` lacks its receivers, or another function has them"
  }

  assert {
    condition     = [for receiver in jsondecode(module.analyze.environment["TIDEMARK_ALERTS"]).receivers : receiver.name] == ["sns-0", "eventbridge-0"]
    error_message = "the receivers of `analyze` are not those of the variable"
  }
}

run "variables_contain_no_secret" {
  assert {
    condition     = alltrue([for function in [module.ingest, module.analyze, module.ingest_stream[0]] : length(setintersection(keys(function.environment), ["REDIS_PASSWORD"])) == 0])
    error_message = "the variables of a function contain a password, which the state stores"
  }

  assert {
    condition     = alltrue([for function in [module.ingest, module.analyze, module.ingest_stream[0]] : function.environment["TIDEMARK_STORE_BYTES_MAX"] == "5000000000"])
    error_message = "a function does not know the limit of the serverless cache, so one tenant may fill it"
  }

  assert {
    condition     = alltrue([for function in [module.ingest, module.analyze, module.ingest_stream[0]] : function.environment["REDIS_IAM"] == "serverless:tidemark" && startswith(function.environment["REDIS_URL"], "rediss://")])
    error_message = "the functions do not connect by IAM over TLS"
  }
}

run "a_function_may_read_its_password_and_decrypt_it" {
  variables {
    cache = {
      mode = "external"
      url  = "rediss://redis.example.com:6380"
      password = {
        arn         = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:redis-AbCdEf"
        username    = "tidemark"
        kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd"
      }
    }
  }

  assert {
    condition = alltrue([for policy in values(output.policies) : { for statement in jsondecode(policy).Statement : statement.Sid => "${one(statement.Action)} ${one(statement.Resource)}" if startswith(statement.Sid, "CachePassword") } == {
      CachePassword    = "secretsmanager:GetSecretValue ${var.cache.password.arn}"
      CachePasswordKey = "kms:Decrypt ${var.cache.password.kms_key_arn}"
    }])
    error_message = "a function may not read its password, or may read more"
  }

  assert {
    condition = alltrue([for function in [module.ingest, module.analyze, module.ingest_stream[0]] :
      function.environment["REDIS_PASSWORD_ARN"] == var.cache.password.arn && function.environment["REDIS_USERNAME"] == "tidemark" && !contains(keys(function.environment), "REDIS_IAM")
    ])
    error_message = "a function lacks the ARN of its password"
  }
}

run "a_function_may_read_its_parameter" {
  variables {
    cache = { mode = "external", url = "rediss://redis.example.com", password = { arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/tidemark/redis" } }
  }

  assert {
    condition     = one([for statement in jsondecode(output.policies["ingest"]).Statement : "${one(statement.Action)} ${one(statement.Resource)}" if startswith(statement.Sid, "CachePassword")]) == "ssm:GetParameter ${var.cache.password.arn}"
    error_message = "a function may not read its password, or may read more"
  }
}

run "the_key_is_rotated" {
  assert {
    condition     = aws_kms_key.this[0].enable_key_rotation
    error_message = "the key is not rotated"
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.this[0].policy).Statement : length(statement.Condition) > 0 && !strcontains(jsonencode(statement.Action), "*") if statement.Sid != "Account"
    ])
    error_message = "a service may use the key without a condition, or for any action"
  }
}

run "an_external_cache_is_connected_to_as_one_user" {
  variables {
    cache = {
      mode     = "external"
      url      = "rediss://cache.example.com:6379"
      topology = "cluster"
      iam = {
        cache    = "cluster:shared"
        username = "tidemark"
        arns     = ["arn:aws:elasticache:eu-west-1:123456789012:replicationgroup:shared", "arn:aws:elasticache:eu-west-1:123456789012:user:tidemark"]
      }
    }
  }

  assert {
    condition     = one([for statement in jsondecode(output.policies["ingest"]).Statement : jsonencode(statement.Resource) if statement.Sid == "Cache"]) == jsonencode(var.cache.iam.arns)
    error_message = "a function may connect to another cache, or as another user"
  }

  assert {
    condition     = module.ingest.environment["REDIS_IAM"] == "cluster:shared" && module.ingest.environment["REDIS_USERNAME"] == "tidemark" && module.ingest.environment["REDIS_TOPOLOGY"] == "cluster"
    error_message = "a function lacks the name of its user"
  }

  assert {
    condition     = !strcontains(output.policies["ingest"], "ec2:")
    error_message = "a function outside of a network has rights on networks"
  }
}
