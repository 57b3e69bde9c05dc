# Least privilege, of the deployment that has everything.

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

run "functions_may_do_only_what_they_do" {
  # Every right that any function has, by name: one more fails this, whatever it is.
  assert {
    condition = sort(distinct(flatten([
      for policy in values(output.policies) : [for it in jsondecode(policy).Statement : it.Action if it.Effect == "Allow"]
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
    error_message = "a function has a right that is not in the list, or not one that is"
  }

  assert {
    condition = alltrue(flatten([
      for policy in values(output.policies) : [for it in jsondecode(policy).Statement : [for action in it.Action : !strcontains(action, "*")]]
    ]))
    error_message = "a right has a wildcard"
  }

  # The two that know no resources are network interfaces, which the code itself is denied, and traces.
  assert {
    condition = alltrue(flatten([
      for policy in values(output.policies) : [
        for it in jsondecode(policy).Statement : [for resource in it.Resource : startswith(resource, "arn:aws:") && (
          !strcontains(resource, "*") || can(regex("^arn:aws:logs:[^*]+:\\*$", resource))
        )] if it.Effect == "Allow" && !contains(["NetworkOfTheService", "Trace"], it.Sid)
      ]
    ]))
    error_message = "a statement names no resource"
  }

  assert {
    condition = alltrue([
      for policy in values(output.policies) : jsonencode(one([for it in jsondecode(policy).Statement : it.Action if it.Sid == "NetworkOfTheService"])) ==
      jsonencode(one([for it in jsondecode(policy).Statement : it.Action if it.Effect == "Deny"]))
    ])
    error_message = "the code of a function is not denied what the service does with network interfaces"
  }

  assert {
    condition = alltrue([for policy in [output.policies["ingest"], output.policies["analyze"]] :
      length([for it in jsondecode(policy).Statement : it if contains(["Queue", "Stream", "StreamDeadLetters", "DeadLetters"], it.Sid)]) == 0
    ])
    error_message = "a function may touch queues or streams that are not its own"
  }
}

run "only_the_sweep_knows_the_history" {
  assert {
    condition = { for key, policy in output.policies : key => length([for it in jsondecode(policy).Statement : it if it.Sid == "History"]) } == {
      analyze = 1, ingest = 0, ingest-stream = 0
    }
    error_message = "a function that never touches the table may, or the one that does may not"
  }

  assert {
    condition     = [for it in [module.analyze, module.ingest, module.ingest_stream[0]] : contains(keys(it.environment), "TIDEMARK_HISTORY_TABLE")] == [true, false, false]
    error_message = "`analyze` does not know its table, or another function does"
  }
}

run "variables_hold_no_secret" {
  assert {
    condition     = alltrue([for it in [module.ingest, module.analyze, module.ingest_stream[0]] : length(setintersection(keys(it.environment), ["REDIS_PASSWORD"])) == 0])
    error_message = "a password is in the variables of a function, and so in the state"
  }

  assert {
    condition     = alltrue([for it in [module.ingest, module.analyze, module.ingest_stream[0]] : it.environment["REDIS_IAM"] == "serverless:tidemark" && startswith(it.environment["REDIS_URL"], "rediss://")])
    error_message = "the cache is not reached by IAM over TLS"
  }
}

run "a_password_is_read_by_its_name_and_with_its_key" {
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
    condition = alltrue([for policy in values(output.policies) : { for it in jsondecode(policy).Statement : it.Sid => "${one(it.Action)} ${one(it.Resource)}" if startswith(it.Sid, "CachePassword") } == {
      CachePassword    = "secretsmanager:GetSecretValue ${var.cache.password.arn}"
      CachePasswordKey = "kms:Decrypt ${var.cache.password.kms_key_arn}"
    }])
    error_message = "a function may not read its password, or more than that"
  }

  assert {
    condition = alltrue([for it in [module.ingest, module.analyze, module.ingest_stream[0]] :
      it.environment["REDIS_PASSWORD_ARN"] == var.cache.password.arn && it.environment["REDIS_USERNAME"] == "tidemark" && !contains(keys(it.environment), "REDIS_IAM")
    ])
    error_message = "a function does not know where its password is"
  }
}

run "a_parameter_is_read_as_one" {
  variables {
    cache = { mode = "external", url = "rediss://redis.example.com", password = { arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/tidemark/redis" } }
  }

  assert {
    condition     = one([for it in jsondecode(output.policies["ingest"]).Statement : "${one(it.Action)} ${one(it.Resource)}" if startswith(it.Sid, "CachePassword")]) == "ssm:GetParameter ${var.cache.password.arn}"
    error_message = "a function may not read its password, or more than that"
  }
}

run "the_key_is_rotated" {
  assert {
    condition     = aws_kms_key.this[0].enable_key_rotation
    error_message = "the key is not rotated"
  }

  assert {
    condition = alltrue([
      for it in jsondecode(aws_kms_key.this[0].policy).Statement : length(it.Condition) > 0 && !strcontains(jsonencode(it.Action), "*") if it.Sid != "Account"
    ])
    error_message = "a service may use the key for others' sake, or for anything"
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
    condition     = one([for it in jsondecode(output.policies["ingest"]).Statement : jsonencode(it.Resource) if it.Sid == "Cache"]) == jsonencode(var.cache.iam.arns)
    error_message = "a function may connect to another cache, or as another user"
  }

  assert {
    condition     = module.ingest.environment["REDIS_IAM"] == "cluster:shared" && module.ingest.environment["REDIS_USERNAME"] == "tidemark" && module.ingest.environment["REDIS_TOPOLOGY"] == "cluster"
    error_message = "a function does not know its user"
  }

  assert {
    condition     = !strcontains(output.policies["ingest"], "ec2:")
    error_message = "a function outside of networks has rights in them"
  }
}
